import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { openSafetensors } from '../../../src/checkpoints/files.ts'
import { readConfig } from '../../../node/config.ts'
import { createNode } from '../../../node/node.ts'
import { type SwiftShader, unpackSwiftShader } from '../../support/swiftshader.ts'
import { demoPath, openWorkplace, type Ran, start, type Workplace } from '../cli/command.ts'

describe('verbs on WebGPU', function () {
  this.timeout(120_000)
  let driver: SwiftShader
  let place: Workplace
  before(async () => {
    driver = unpackSwiftShader()
    place = await openWorkplace()
  })
  after(async () => {
    driver.remove()
    await place.remove()
  })

  const run = (...argv: string[]): Promise<Ran> =>
    start([...argv, '--home', place.path('home')], { env: driver.env }).ended

  it('find a driver in software right, and too slow to be taken unasked #slow', async () => {
    const report = (await run('doctor', 'engine', '--json')).json() as {
      choice: string
      devices: { device: string; works: boolean; difference: number; taken: boolean }[]
    }
    const webgpu = report.devices.find(({ device }) => device === 'webgpu')!
    assert.ok(webgpu.works && webgpu.difference <= 1e-4, JSON.stringify(webgpu))
    assert.match(report.choice, /^cpu \(webgpu: 0\.\d+ × the CPU; /)
  })

  it('measure there when they are told to, and sign that a GPU did it #slow', async () => {
    await writeItems(demoPath('eval/kana.safetensors'), place.path('few.safetensors'), 3)
    const expert = demoPath('kana-light')
    await run('publish', expert, '--base', demoPath('base'), '-n', 'kana')
    await run('data', 'add', place.path('few.safetensors'), '-n', 'few')
    const argv = ['evaluate', 'kana', '--data', 'few', '--only', '--device', 'webgpu']
    const { stderr, code, stdout } = await run(...argv)
    assert.equal(code, 0, stderr)
    assert.match(stderr, /^engine webgpu \(0\.\d+ × the CPU\)$/m)
    assert.match(stdout, /^kana\t/m)

    await using node = await createNode(readConfig({ home: place.path('home') }), {
      online: 'never',
    })
    const signal = new AbortController().signal
    const suite = await node.suites.open('few', { signal, onProgress: () => {} })
    const records = await node.store.records.scores(suite.id)
    assert.deepEqual(
      records.map(({ record: { body } }) => [body.device, body.engine]),
      [['gpu', 'onnxruntime 1.30.0 webgpu f32']],
    )
  })
})

/** The first items of a prepared file of images, as a file of its own. */
async function writeItems(from: string, to: string, count: number): Promise<void> {
  const file = await openSafetensors(from)
  const header: Record<string, unknown> = { __metadata__: Object.fromEntries(file.metadata) }
  const parts: Uint8Array[] = []
  let end = 0
  for (const name of ['pixels', 'labels']) {
    const { dtype, shape } = file.tensors.get(name)!
    const rest = shape.slice(1)
    const bytes = new Uint8Array(count * rest.reduce((size, length) => size * length, 1))
    await file.read(name, 0, bytes)
    header[name] = { dtype, shape: [count, ...rest], data_offsets: [end, (end += bytes.length)] }
    parts.push(bytes)
  }
  await file.close()
  const text = Buffer.from(JSON.stringify(header))
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(text.length))
  await writeFile(to, Buffer.concat([size, text, ...parts]))
}
