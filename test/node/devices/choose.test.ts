import assert from 'node:assert/strict'
import { chooseDevice, type Prober } from '../../../node/devices/choose.ts'
import { type Probe, probeOf } from '../../../node/devices/probe.ts'
import { reportEngine } from '../../../node/devices/report.ts'
import { describeError } from '../../../node/errors.ts'
import type { Device } from '../../../src/index.ts'

const fast = { works: true, difference: 1e-6, speedup: 7.25 } as const
const slow = { works: true, difference: 1e-6, speedup: 1.4 } as const
const absent = { works: false, reason: 'No supported adapters' } as const

/** Finds what is given, and nothing on every other device. */
function found(given: Partial<Record<Device, typeof fast | typeof slow | typeof absent>>): Prober {
  return async (device): Promise<Probe> => ({ device, ...(given[device] ?? absent) })
}

describe('probeOf', () => {
  it('reads the last line, whatever a driver prints before it', () => {
    const answer: Probe = { device: 'webgpu', ...fast }
    assert.deepEqual(probeOf('webgpu', null, `loading\n${JSON.stringify(answer)}`), answer)
  })

  it('says what went wrong with one that does not answer', () => {
    const reasonOf = (failure: object | null, stdout: string): string => {
      const probe = probeOf('webgpu', failure as Parameters<typeof probeOf>[1], stdout)
      assert.ok(!probe.works)
      return probe.reason
    }
    assert.equal(reasonOf(null, ''), 'its process ended with code 0')
    assert.equal(reasonOf({ signal: 'SIGSEGV' }, '{'), 'its process ended with SIGSEGV')
    assert.match(reasonOf({ killed: true }, ''), /^no answer within/)
    assert.equal(reasonOf(null, '{"works":true}\ndriver closed'), 'no answer that can be read')
  })
})

describe('chooseDevice', () => {
  it('takes cuda before webgpu, and each only when it is much faster than the CPU', async () => {
    const choices = [
      found({ cuda: fast, webgpu: fast }),
      found({ cuda: slow, webgpu: fast }),
      found({ cuda: slow, webgpu: slow }),
      found({}),
    ]
    const lines = []
    for (const prober of choices) lines.push((await chooseDevice('auto', prober)).line)
    assert.deepEqual(lines, [
      'cuda (7.3 × the CPU)',
      'webgpu (7.3 × the CPU)',
      'cpu (webgpu: 1.4 × the CPU; cuda: 1.4 × the CPU)',
      'cpu (webgpu: No supported adapters; cuda: No supported adapters)',
    ])
  })

  it('tries nothing when the CPU is wished for', async () => {
    const never: Prober = () => assert.fail('tried')
    assert.deepEqual(await chooseDevice('cpu', never), { device: 'cpu', line: 'cpu' })
  })

  it('takes a slow device that is wished for by name', async () => {
    const { device } = await chooseDevice('webgpu', found({ webgpu: slow }))
    assert.equal(device, 'webgpu')
  })

  it('refuses a device that is wished for and does not work, with the cause and a way out', async () => {
    await assert.rejects(chooseDevice('webgpu', found({ cuda: fast })), (error) => {
      const { id, message, actual, fix } = describeError(error)
      assert.equal(id, 'E_DEVICE')
      assert.equal(message, 'webgpu does not work here: No supported adapters')
      assert.equal(actual, 'No supported adapters')
      assert.deepEqual(fix, ['deltaswarm doctor engine', 'use --device cpu'])
      return true
    })
  })
})

describe('reportEngine', () => {
  it('lists every device and marks the one that is taken', async () => {
    const report = await reportEngine('auto', found({ webgpu: fast }))
    assert.deepEqual(
      report.devices.map(({ device, works, taken }) => [device, works, taken]),
      [
        ['cpu', true, false],
        ['webgpu', true, true],
        ['cuda', false, false],
      ],
    )
    assert.deepEqual([report.works, report.faultyKernels], [true, []])
    assert.match(report.onnxruntime, /^onnxruntime \d+\.\d+\.\d+ cpu f32$/)
  })

  it('does not call an engine sound whose wished device is missing', async () => {
    const { works, choice, devices } = await reportEngine('cuda', found({ webgpu: fast }))
    assert.equal(works, false)
    assert.equal(choice, 'cuda does not work here: No supported adapters')
    assert.ok(devices.every(({ taken }) => !taken))
  })
})
