import type { Checkpoint } from '../tensors/checkpoint.ts'
import { sameShape, type TensorSpec } from '../tensors/tensor.ts'
import { sameTensor, type StreamOptions } from './stream.ts'

/** From the name of a copy to the name of the tensor that it copies. */
export type TieMap = ReadonlyMap<string, string>

/**
 * The output heads that are byte for byte the input embedding. Models with `tie_word_embeddings`
 * keep one matrix for both, and some tools write it twice; the copy is no weight of its own.
 */
export async function tiedTensors(
  checkpoint: Checkpoint,
  options: StreamOptions = {},
): Promise<TieMap> {
  const tied = new Map<string, string>()
  for (const [head, embedding] of tieCandidates(checkpoint.tensors)) {
    if (await sameTensor(checkpoint, head, checkpoint, embedding, options)) {
      tied.set(head.name, embedding.name)
    }
  }
  return tied
}

/** Heads and the embedding they would copy: the first of equal dtype and shape. */
export function tieCandidates(
  tensors: ReadonlyMap<string, TensorSpec>,
): readonly (readonly [head: TensorSpec, embedding: TensorSpec])[] {
  const specs = [...tensors.values()]
  return specs.filter(isHead).flatMap((head) => {
    const embedding = specs.find(
      (spec) => isEmbedding(spec) && spec.dtype === head.dtype && sameShape(spec.shape, head.shape),
    )
    return embedding === undefined ? [] : [[head, embedding] as const]
  })
}

function isHead({ name }: TensorSpec): boolean {
  return name === 'lm_head.weight' || name.endsWith('.lm_head.weight')
}

function isEmbedding({ name }: TensorSpec): boolean {
  return name === 'embed_tokens.weight' || name.endsWith('.embed_tokens.weight')
}
