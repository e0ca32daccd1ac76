import { InvalidInputError } from '../../../src/index.ts'
import type { EngineReport } from '../../devices/report.ts'
import { exitCodes } from '../../errors.ts'
import { deviceOption } from '../inputs.ts'
import type { Output } from '../output.ts'
import type { HereVerb } from './index.ts'

export const verb: HereVerb = {
  id: 'doctor',
  group: 'start',
  summary: 'try what computes here: kernels, onnxruntime and every device',
  arguments: [['<part>', 'what is looked at: engine']],
  options: [deviceOption],
  examples: ['deltaswarm doctor engine', 'deltaswarm doctor engine --device webgpu'],
  async here({ args: [part] }, { config, output }) {
    if (part !== 'engine') {
      throw new InvalidInputError('E_INPUT', `doctor cannot take '${String(part)}'`, {
        expected: 'engine',
        actual: part,
        fix: 'deltaswarm doctor engine',
      })
    }
    const { reportEngine } = await import('../../devices/report.ts')
    const report = await reportEngine(config.device)
    if (output.mode === 'json') {
      const { threads } = config
      output.line(JSON.stringify({ schema: 'deltaswarm.doctor/1', threads, ...report }))
    } else if (output.mode === 'quiet') {
      for (const { device, taken } of report.devices) if (taken) output.line(device)
    } else {
      print(report, config.threads, output)
    }
    return report.works ? exitCodes.ok : exitCodes.failed
  },
}

function print(report: EngineReport, threads: number, output: Output): void {
  const { onnxruntime, faultyKernels, devices, choice } = report
  output.table(
    ['device', 'works', 'difference from cpu', 'speed', 'taken'],
    devices.map((probe) => [
      probe.device,
      probe.works ? 'yes' : `no: ${probe.reason}`,
      probe.works ? `${probe.difference.toPrecision(2)} nat` : '–',
      probe.works ? `${probe.speedup.toPrecision(2)} ×` : '–',
      probe.taken ? 'yes' : '',
    ]),
  )
  output.line(`engine ${choice}`)
  output.note(`${onnxruntime}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`)
  output.note(
    faultyKernels.length === 0
      ? 'kernels compute what they should'
      : `kernels that compute something else: ${faultyKernels.join(', ')}`,
  )
}
