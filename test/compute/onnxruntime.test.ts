import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { openRuntime } from '../../src/compute/onnxruntime.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { EnvironmentError } from '../../src/errors.ts'
import { place, sampleFloats } from './sample-floats.ts'

const run = promisify(execFile)

describe('onnxruntime', () => {
  const kernels = openKernels()
  const open = [openRuntime(kernels)]
  const runtime = () => open[0]!

  after(async () => {
    for (const each of open) await (await each).close()
  })

  it('says which engine it is', async () => {
    assert.match((await runtime()).description, /^onnxruntime 1\.30\.\d+ cpu f32$/)
  })

  it('multiplies matrices that lie in the kernels’ memory, into it', async () => {
    const [rows, inner, columns] = [3, 5, 4]
    const a = sampleFloats('gemm a', rows * inner, []).map((x) => Math.sign(x) * 0.5)
    const b = sampleFloats('gemm b', inner * columns, []).map((x) => Math.round(Math.log2(x * x)))
    const session = await (await runtime()).session(binaryModel('MatMul', 1))
    // A region from after the memory has grown, so that the thread needs the new buffer.
    const out = kernels.allocate(kernels.buffer.byteLength)
    const view = (values: Float32Array, dims: number[]) =>
      ({ region: place(kernels, values), type: 'float32', dims }) as const
    await session.run(
      { a: view(a, [rows, inner]), b: view(b, [inner, columns]) },
      { c: { region: out, type: 'float32', dims: [rows, columns] } },
    )
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        let sum = 0
        for (let k = 0; k < inner; k++) sum += a[row * inner + k]! * b[k * columns + column]!
        assert.equal(out.f32[row * columns + column], sum)
      }
    }
    kernels.release(out)
    await session.release()
  })

  it('copies tensors in and out where Node hands no shared memory to it', async () => {
    const module = new URL('onnxruntime-of-older-nodes.cjs', import.meta.url).href
    const older = openRuntime(kernels, { module })
    open.push(older)
    const session = await (await older).session(binaryModel('Add', 1))
    const view = (values: readonly number[]) => {
      const region = place(kernels, Float32Array.from(values))
      return { region, type: 'float32', dims: [values.length] } as const
    }
    for (const factor of [1, 10]) {
      const sum = view([0, 0, 0])
      await session.run({ a: view([1, 2, 3]), b: view([factor, factor, factor]) }, { c: sum })
      assert.deepEqual([...sum.region.f32.subarray(0, 3)], [1 + factor, 2 + factor, 3 + factor])
    }
    await session.release()
  })

  it('takes float16 and int64 tensors', async () => {
    const half = place(kernels, Uint16Array.of(0x3c00, 0x4000)) // 1, 2
    const halves = { region: half, type: 'float16', dims: [2] } as const
    const session = await (await runtime()).session(binaryModel('Add', 10))
    await session.run({ a: halves, b: halves }, { c: halves })
    assert.deepEqual([...half.u16.subarray(0, 2)], [0x4000, 0x4400])

    const long = kernels.allocate(8)
    long.u32.set([0xffffffff, 1])
    const longs = { region: long, type: 'int64', dims: [1] } as const
    const sum = await (await runtime()).session(binaryModel('Add', 7))
    await sum.run({ a: longs, b: longs }, { c: longs })
    assert.deepEqual([...long.u32.subarray(0, 2)], [0xfffffffe, 3])
  })

  it('leaves the event loop free and keeps the order of runs', async () => {
    const size = 700
    const session = await (await runtime()).session(binaryModel('MatMul', 1))
    const region = place(kernels, new Float32Array(size * size).fill(0.001))
    const view = { region, type: 'float32', dims: [size, size] } as const
    const outs = [1, 2, 3].map(() => ({ ...view, region: kernels.allocate(size * size * 4) }))
    let ticks = 0
    const timer = setInterval(() => ticks++, 1)
    const finished: number[] = []
    await Promise.all(
      outs.map(async (out, i) => {
        await session.run({ a: view, b: view }, { c: out })
        finished.push(i)
      }),
    )
    clearInterval(timer)
    assert.deepEqual(finished, [0, 1, 2])
    assert.ok(ticks >= 3, `${ticks} ticks`)
    assert.ok(Math.abs(outs[2]!.region.f32[size * size - 1]! - size * 1e-6) < 1e-8)
  })

  it('refuses a model that is none, and goes on', async () => {
    await assert.rejects((await runtime()).session(Uint8Array.of(1, 2, 3)), isOurs(/refused/))
    await assert.rejects((await runtime()).session(binaryModel('NoSuchOp', 1)), isOurs(/NoSuchOp/))
    await (await (await runtime()).session(binaryModel('Add', 1))).release()
  })

  it('refuses a wrong shape, a missing input, a short region and a released session', async () => {
    const session = await (await runtime()).session(binaryModel('MatMul', 1))
    const region = kernels.allocate(64)
    const view = { region, type: 'float32', dims: [4, 4] } as const
    await assert.rejects(session.run({ a: view }, { c: view }), isOurs(/'?b'?/))
    const wide = { ...view, dims: [2, 8] }
    await assert.rejects(session.run({ a: view, b: wide }, { c: view }), isOurs(/failed to run/))
    const long = { ...view, dims: [4, 5] }
    await assert.rejects(session.run({ a: view, b: long }, { c: view }), { id: 'E_REGION' })
    await session.release()
    await assert.rejects(session.run({ a: view, b: view }, { c: view }), isOurs(/released/))
  })

  it('says what to do when the module is missing', async () => {
    await assert.rejects(openRuntime(kernels, { module: 'no-such-onnxruntime' }), (error) => {
      assert.ok(error instanceof EnvironmentError)
      assert.equal(error.id, 'E_ONNXRUNTIME')
      assert.match(error.message, /no-such-onnxruntime/)
      assert.ok(error.cause instanceof Error)
      assert.ok(error.fix.length > 0)
      return true
    })
  })

  it('rejects every pending run when its thread dies', async () => {
    const runtime = await openRuntime(kernels, { module: dyingModule })
    const session = await runtime.session(new Uint8Array())
    const [first, second] = [session.run({}, {}), session.run({}, {})]
    await assert.rejects(first, isOurs(/ended/))
    await assert.rejects(second, isOurs(/ended/))
    await assert.rejects(session.run({}, {}), isOurs(/ended/))
    await runtime.close()
  })

  it('may be closed twice, after what was asked before', async () => {
    const runtime = await openRuntime(kernels)
    const creating = runtime.session(binaryModel('Add', 1))
    await Promise.all([runtime.close(), runtime.close()])
    await creating
    await runtime.close()
    await assert.rejects(runtime.session(binaryModel('Add', 1)), isOurs(/closed/))
  })

  it('does not keep the process alive, closed or idle', async () => {
    for (const end of ['', 'await runtime.close()']) {
      const script = ['--input-type=module', '--eval', program(end)]
      const { stdout, stderr } = await run(process.execPath, script, { timeout: 8000 })
      assert.equal(stdout, 'done')
      assert.equal(stderr, '')
    }
  })
})

/** Stands in for onnxruntime and ends its thread at the first run. */
const dyingModule =
  'data:text/javascript,export default {' +
  'Tensor: class {}, env: { versions: { node: "0" } }, InferenceSession: {' +
  'create: async () => ({ run: async () => process.exit(3), release: async () => {} }) } }'

function isOurs(message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof EnvironmentError)
    assert.equal(error.id, 'E_ONNXRUNTIME')
    assert.match(error.message, message)
    return true
  }
}

/** Opens a runtime and a session, then does `end`. */
function program(end: string): string {
  return `
    import { openRuntime } from ${file('onnxruntime.ts')}
    import { openKernels } from ${file('open-kernels.ts')}
    const runtime = await openRuntime(openKernels())
    const model = Uint8Array.from(${JSON.stringify([...binaryModel('Add', 1)])})
    const session = await runtime.session(model)
    ${end}
    process.stdout.write('done')`
}

function file(name: string): string {
  return JSON.stringify(new URL(`../../src/compute/${name}`, import.meta.url).href)
}

/** An onnx.ModelProto, written by hand: c = operator(a, b) for tensors of one element type. */
function binaryModel(operator: string, elementType: number): Uint8Array {
  const tensor = field(1, varint(1, elementType))
  const value = (name: string) => [...field(1, text(name)), ...field(2, tensor)]
  const node = [...field(1, text('a')), ...field(1, text('b')), ...field(2, text('c'))]
  const graph = [
    ...field(1, [...node, ...field(4, text(operator))]),
    ...field(2, text('g')),
    ...field(11, value('a')),
    ...field(11, value('b')),
    ...field(12, value('c')),
  ]
  return Uint8Array.from([...varint(1, 8), ...field(7, graph), ...field(8, varint(2, 13))])
}

function varint(number: number, value: number): number[] {
  return [number << 3, value]
}

function field(number: number, content: readonly number[]): number[] {
  assert.ok(content.length < 128)
  return [(number << 3) | 2, content.length, ...content]
}

function text(value: string): number[] {
  return [...Buffer.from(value)]
}
