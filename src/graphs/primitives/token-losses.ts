import { sameShape } from '../../tensors/tensor.ts'
import { definePrimitive } from '../primitive.ts'

/**
 * Cross-entropy of every position in nats. Inputs: logits [items, tokens, vocabulary] and int32
 * targets [items, tokens] below the vocabulary; where a target is negative the loss is 0. It is
 * written out because onnxruntime's WebGPU provider has no LogSoftmax.
 */
export const primitive = definePrimitive({
  id: 'token-losses',
  about: 'y = log Σ e^(logits − max) − (logits[target] − max), or 0 where target < 0',
  infer([logits, targets]) {
    if (logits?.shape.length !== 3 || targets?.type !== 'int32') return undefined
    return sameShape(logits.shape.slice(0, 2), targets.shape) ? targets.shape : undefined
  },
  forward(emitter, [logits, targets]) {
    const last = emitter.wholes([2])
    const flat = targets!.shape
    const column = [...flat, 1]
    const zero = emitter.int32s(Int32Array.of(0), [])
    const ignored = emitter.node('Less', [targets!.name, zero])
    const target = emitter.reshape(emitter.node('Where', [ignored, zero, targets!.name]), column)

    const highest = emitter.node('ReduceMax', [logits!.name, last], { keepdims: 1 })
    const centred = emitter.node('Sub', [logits!.name, highest])
    const sum = emitter.node('ReduceSum', [emitter.node('Exp', [centred]), last], { keepdims: 1 })
    const chosen = emitter.node('GatherElements', [centred, target], { axis: 2 })
    const losses = emitter.node('Sub', [emitter.node('Log', [sum]), chosen])
    return emitter.node('Where', [ignored, emitter.float(0), emitter.reshape(losses, flat)])
  },
})
