import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { basename } from 'node:path'
import type { Runtime, TensorView } from '../../src/compute/onnxruntime.ts'
import type { Kernels } from '../../src/compute/kernels.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import type { Primitive, Value } from '../../src/graphs/primitive.ts'
import { buildProgram, forward, type Program, RESULT } from '../../src/graphs/program.ts'
import { createRandom } from '../../src/random.ts'
import { elementsOf } from '../../src/tensors/tensor.ts'
import { openTestRuntime } from '../support/test-device.ts'
import { type Case, cases, refused } from './cases.ts'

const folder = new URL('../../src/graphs/primitives/', import.meta.url)
const ids = readdirSync(folder).map((file) => basename(file, '.ts'))

describe('primitives', () => {
  const primitives = new Map<string, Primitive>()
  let kernels: Kernels
  let runtime: Runtime

  before(async () => {
    for (const id of ids) {
      const module = (await import(new URL(`${id}.ts`, folder).href)) as { primitive: Primitive }
      primitives.set(id, module.primitive)
    }
    kernels = openKernels()
    runtime = await openTestRuntime(kernels)
  })
  after(() => runtime.close())

  for (const id of ids) {
    it(`${id} bears the name of its file and is checked below`, () => {
      assert.equal(primitives.get(id)?.id, id)
      assert.ok(cases.some(({ primitive }) => primitive === id))
    })
  }

  for (const each of cases) {
    it(`${describeCase(each)} gives the f64 value of its formula`, async () => {
      const program = programOf(primitives.get(each.primitive)!, each)
      const values = each.inputs.map(({ shape, values }, i) => {
        const random = createRandom('primitives', each.primitive, i)
        return (
          values ?? Array.from({ length: elementsOf(shape) }, () => Math.fround(random.normal()))
        )
      })
      const expected = each.expected(...values)
      assert.equal(elementsOf(program.output.shape), expected.length)
      const actual = await run(kernels, runtime, program, values)
      expected.forEach((value, i) => {
        const error = Math.abs(actual[i]! - value)
        assert.ok(error <= 2e-6 * (1 + Math.abs(value)), `[${i}] ${actual[i]} is not ${value}`)
      })
    })
  }

  for (const each of refused) {
    it(`${describeCase(each)} is refused`, () => {
      assert.throws(() => programOf(primitives.get(each.primitive)!, each), {
        id: 'E_SHAPE',
        message: new RegExp(`^test: ${each.primitive} cannot take`),
      })
    })
  }

  it('token-losses ignores logits that are not finite where there is no target', async () => {
    const inputs = [{ shape: [1, 2, 2] }, { shape: [1, 2], type: 'int32' }] as const
    const program = programOf(primitives.get('token-losses')!, { inputs })
    const losses = await run(kernels, runtime, program, [
      [NaN, 1, NaN, 1],
      [-100, 0],
    ])
    assert.deepEqual([...losses], [0, NaN])
  })
})

function describeCase({ primitive, inputs, attributes }: Omit<Case, 'expected'>): string {
  const shapes = inputs.map(({ shape }) => `[${shape.join(', ')}]`).join(' ')
  return [primitive, shapes, ...(attributes ? [JSON.stringify(attributes)] : [])].join(' ')
}

function programOf(
  primitive: Primitive,
  { inputs, attributes = {} }: Pick<Case, 'inputs' | 'attributes'>,
): Program {
  return buildProgram('test', ({ input, apply }) => {
    const values = inputs.map(({ shape, type }, i): Value => input(`x${i}`, shape, type))
    return apply(primitive, values, attributes)
  })
}

async function run(
  kernels: Kernels,
  runtime: Runtime,
  program: Program,
  values: readonly (readonly number[])[],
): Promise<Float32Array> {
  const view = ({ type, shape }: Value): TensorView => ({
    region: kernels.allocate(4 * elementsOf(shape)),
    type,
    dims: shape,
  })
  const feeds = program.inputs.map((input, i): [string, TensorView] => {
    const tensor = view(input)
    const target = input.type === 'int32' ? tensor.region.i32 : tensor.region.f32
    target.set(values[i]!)
    return [input.name, tensor]
  })
  const result = view(program.output)
  const session = await runtime.session(forward(program))
  await session.run(Object.fromEntries(feeds), { [RESULT]: result })
  await session.release()
  const copy = result.region.f32.slice(0, elementsOf(program.output.shape))
  for (const { region } of [...feeds.map(([, tensor]) => tensor), result]) kernels.release(region)
  return copy
}
