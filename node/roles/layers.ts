import {
  type CID,
  decodeIndex,
  decodeRoot,
  measureNorms,
  planRecipe,
  type Recipe,
  type TensorNorms,
} from '../../src/index.ts'
import type { JobOptions } from '../job-options.ts'
import type { SwarmNode } from '../node.ts'

/** One layer of a delta, or the tensors that stand in none. */
export interface LayerFigures {
  /** Such as `model.layers.3`; `null` for embeddings, the last norm and the head. */
  readonly layer: string | null
  readonly tensors: number
  readonly elements: number
  /** ‖Δ‖, and the same ÷ ‖W₀‖, which is `null` over a base of zeros. */
  readonly norm: number
  readonly relativeNorm: number | null
  /** Share of the elements that are zero in the delta. */
  readonly zeros: number
  /** How a published delta stores it: bytes of its sections, and tensors per codec. */
  readonly stored?: {
    readonly bytes: number
    readonly bpw: number
    readonly codecs: Readonly<Record<string, number>>
  }
}

/** Bytes that a delta's tensors take, by name, from its index nodes, which must be here. */
export async function storedBytes(
  { store }: SwarmNode,
  delta: CID,
): Promise<ReadonlyMap<string, number>> {
  const bytes = new Map<string, number>()
  const root = decodeRoot((await store.blocks.get(delta))!)
  for (const link of root.index) {
    for (const { name, sections } of decodeIndex((await store.blocks.get(link))!).tensors) {
      bytes.set(
        name,
        Object.values(sections).reduce((sum, [, , length]) => sum + length, 0),
      )
    }
  }
  return bytes
}

/** Measures what a recipe changes, layer by layer in the base's order. Needs the base. */
export async function measureLayers(
  node: SwarmNode,
  recipe: Recipe,
  { signal, onProgress }: JobOptions,
): Promise<readonly LayerFigures[]> {
  const plan = await planRecipe(recipe, node.library.sources, node.engine)
  const norms = await measureNorms(plan, {
    signal,
    onProgress: (done, total) =>
      onProgress({ phase: 'measuring', done: 4 * done, total: 4 * total, unit: 'bytes' }),
  })
  const layers = Map.groupBy(norms, ({ spec }) => layerOf(spec.name))
  const { root } = recipe
  const bytes = 'delta' in root ? await storedBytes(node, root.delta) : undefined
  const source = 'delta' in root ? await node.library.sources.delta(root.delta) : undefined
  const order = [...layers.keys()].toSorted((a, b) => numberOf(a) - numberOf(b))
  return order.map((layer) => {
    const tensors = layers.get(layer)!
    const total = (field: 'elements' | 'squares' | 'baseSquares' | 'zeros'): number =>
      tensors.reduce((sum, tensor) => sum + tensor[field], 0)
    const elements = total('elements')
    const figures = {
      layer,
      tensors: tensors.length,
      elements,
      norm: Math.sqrt(total('squares')),
      relativeNorm:
        total('baseSquares') === 0 ? null : Math.sqrt(total('squares') / total('baseSquares')),
      zeros: total('zeros') / elements,
    }
    if (bytes === undefined || source === undefined) return figures
    return {
      ...figures,
      stored: storedAs(tensors, bytes, (name) => source.tensors.get(name)!.codec),
    }
  })
}

function storedAs(
  tensors: readonly TensorNorms[],
  bytesOf: ReadonlyMap<string, number>,
  codecOf: (name: string) => string,
): LayerFigures['stored'] & object {
  const codecs: Record<string, number> = {}
  let [bytes, elements] = [0, 0]
  for (const { spec, elements: own } of tensors) {
    const codec = codecOf(spec.name)
    codecs[codec] = (codecs[codec] ?? 0) + 1
    bytes += bytesOf.get(spec.name)!
    elements += own
  }
  return { bytes, bpw: (8 * bytes) / elements, codecs }
}

/** Everything up to the first number in a tensor's name. */
function layerOf(tensor: string): string | null {
  return /^(.*?\.\d+)\./.exec(tensor)?.[1] ?? null
}

/** Layers by their number, what stands in none before them. */
function numberOf(layer: string | null): number {
  return layer === null ? -1 : Number(layer.slice(layer.lastIndexOf('.') + 1))
}
