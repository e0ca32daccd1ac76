import assert from 'node:assert/strict'
import { createEmitter } from '../../src/graphs/emitter.ts'
import { primitive as add } from '../../src/graphs/primitives/add.ts'
import { primitive as rmsNorm } from '../../src/graphs/primitives/rms-norm.ts'
import { primitive as silu } from '../../src/graphs/primitives/silu.ts'
import { buildProgram, forward, type Program } from '../../src/graphs/program.ts'

function sample(width: number, epsilon: number): Program {
  return buildProgram('sample', ({ input, weight, apply }) => {
    const x = input('x', [2, width])
    const normed = apply(rmsNorm, [x, weight('scale', [width])], { epsilon })
    return apply(add, [x, apply(silu, [normed])])
  })
}

describe('program', () => {
  it('lists its applications in order with their inputs and shapes', () => {
    const program = sample(4, 1e-6)
    assert.deepEqual(
      program.applications.map(({ primitive, inputs, output }) => [
        primitive.id,
        inputs.map(({ name }) => name),
        output.name,
        output.shape,
      ]),
      [
        ['rms-norm', ['x', 'scale'], '#0', [2, 4]],
        ['silu', ['#0'], '#1', [2, 4]],
        ['add', ['x', '#1'], '#2', [2, 4]],
      ],
    )
    assert.deepEqual(program.weights, [{ name: 'scale', type: 'float32', shape: [4] }])
    assert.equal(program.output.name, '#2')
  })

  it('has one key for one computation and another for another shape or attribute', () => {
    assert.equal(sample(4, 1e-6).key, sample(4, 1e-6).key)
    assert.notEqual(sample(4, 1e-6).key, sample(5, 1e-6).key)
    assert.notEqual(sample(4, 1e-6).key, sample(4, 1e-5).key)
  })

  it('gives the same bytes each time', () => {
    assert.deepEqual(forward(sample(4, 1e-6)), forward(sample(4, 1e-6)))
  })
})

describe('emitter', () => {
  it('keeps equal nodes and equal constants once', () => {
    const emitter = createEmitter()
    const once = emitter.node('Add', ['x', emitter.float(2)], { axis: 1 })
    assert.equal(emitter.node('Add', ['x', emitter.float(2)], { axis: 1 }), once)
    assert.notEqual(emitter.node('Add', ['x', emitter.float(2)], { axis: 2 }), once)
    assert.notEqual(emitter.int32s(Int32Array.of(2), []), emitter.float(2))
    assert.notEqual(
      emitter.floats(Float32Array.of(1, 2), [2]),
      emitter.floats(Float32Array.of(1, 2), [1, 2]),
    )
  })
})
