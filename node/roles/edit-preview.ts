import { type DagSize, measureDag } from '../../protocol/index.ts'
import {
  cosine,
  countElements,
  type EditEffect,
  encodeRecipe,
  measureEdits,
  planRecipe,
  type Recipe,
  recipeId,
  relativeChange,
  type StepEffect,
} from '../../src/index.ts'
import type { JobOptions } from '../job-options.ts'
import type { SwarmNode } from '../node.ts'
import { openCodec } from './codec.ts'
import { MATERIALISE_CODEC, materialise } from './materialiser.ts'

/** What an edit does to the delta it is given; measured. */
export interface EditFigures {
  /** v = ‖Δ̂ − Δ‖² ÷ ‖Δ‖² over the tensors that it acts on; `null` when they are zero. */
  readonly intensity: number | null
  /** ‖Δ̂ − Δ‖ ÷ ‖Δ‖ and the cosine of Δ and Δ̂, over the whole delta. */
  readonly change: number | null
  readonly cosine: number | null
  /** What it acts on, and its share of the elements that the delta changes. */
  readonly tensors: number
  readonly elements: number
  readonly share: number
  /** Tensors of the delta that it passes through. */
  readonly passes: readonly string[]
}

export interface StepFigures extends EditFigures {
  readonly operator: string
  readonly parameters: StepEffect['step']['parameters']
  readonly scope: string
  /** v as the operator's formula gives it, where it has one and there is something to change. */
  readonly expectedIntensity: number | null
}

/** What a chain of edits does and costs, known before anything is kept. */
export interface EditPreview {
  readonly steps: readonly StepFigures[]
  /** All steps together. */
  readonly whole: EditFigures
  /** What the delta changes, and what of it was looked at: all of it, up to a size. */
  readonly delta: Extent
  readonly measured: Extent
  /** Tensors of the base that the delta leaves alone; the result has the base's. */
  readonly untouched: number
  /** What the edited delta would take, stored with the codec of `--materialise`. */
  readonly materialised: {
    readonly codec: string
    readonly bytes: number
    readonly bpw: number
    readonly basis: Basis
  }
  /** Bytes: the most that the plan holds, and what the process holds anyway. */
  readonly memory: { readonly plan: number; readonly process: number }
  /** Seconds of one pass over the edited delta. */
  readonly time: { readonly seconds: number; readonly basis: Basis }
}

export interface Extent {
  readonly tensors: number
  readonly elements: number
}

/** Measured on all of the delta, or on a sample and scaled. */
export type Basis = 'measured' | 'estimated'

/**
 * Runs the outermost `count` edits of a recipe over its deltas and says what they do and cost; nothing
 * is stored.
 */
export async function previewEdits(
  node: SwarmNode,
  recipe: Recipe,
  count: number,
  options: JobOptions,
): Promise<EditPreview> {
  const { engine, library } = node
  const processBytes = process.memoryUsage.rss()
  const plan = await planRecipe(recipe, library.sources, engine)
  const started = performance.now()
  const effect = await measureEdits(plan, count, {
    signal: options.signal,
    onProgress: (done, total) =>
      options.onProgress({ phase: 'measuring', done: 4 * done, total: 4 * total, unit: 'bytes' }),
  })
  const seconds = (performance.now() - started) / 1000
  const [delta, measured] = [extentOf(effect.tensors), extentOf(effect.measured)]
  const basis = measured.tensors === delta.tensors ? 'measured' : 'estimated'
  const scale = measured.elements === 0 ? 1 : delta.elements / measured.elements
  const only = new Set(effect.measured.map(({ name }) => name))
  const codec = await openCodec(node, MATERIALISE_CODEC, options)
  const request = { recipe, name: 'preview', codec, only }
  const stored = await materialise(node, request, { ...options, dryRun: true })
  return {
    steps: effect.steps.map((step) => stepFigures(step, delta)),
    whole: figuresOf(effect.whole, delta),
    delta,
    measured,
    untouched: plan.base.tensors.size - delta.tensors,
    materialised: {
      codec: MATERIALISE_CODEC.codec,
      bytes: Math.round(stored.ownBytes * scale),
      bpw: stored.bpw,
      basis,
    },
    memory: { plan: plan.memory, process: processBytes },
    time: { seconds: seconds * scale, basis },
  }
}

/** The sizes of a recipe that is not stored yet; the deltas that it names are. */
export async function sizesOfDraft({ store }: SwarmNode, recipe: Recipe): Promise<DagSize> {
  const { blocks } = store
  const [id, bytes] = [recipeId(recipe), encodeRecipe(recipe)]
  const get: typeof blocks.get = async (cid) => (cid.equals(id) ? bytes : blocks.get(cid))
  return measureDag({ ...blocks, get }, id)
}

function stepFigures(effect: StepEffect, delta: Extent): StepFigures {
  const { operator, parameters, mode, scope } = effect.step
  return {
    operator: operator.id,
    parameters,
    scope,
    ...figuresOf(effect, delta),
    expectedIntensity:
      effect.inScope.squaresA === 0
        ? null
        : (operator.intensity?.(parameters as never, mode) ?? null),
  }
}

function figuresOf(
  { acts, passes, inScope, overall }: EditEffect['whole'],
  delta: Extent,
): EditFigures {
  const change = relativeChange(inScope)
  const { tensors, elements } = extentOf(acts)
  return {
    intensity: change === null ? null : change ** 2,
    change: relativeChange(overall),
    cosine: cosine(overall),
    tensors,
    elements,
    share: delta.elements === 0 ? 0 : elements / delta.elements,
    passes: passes.map(({ name }) => name),
  }
}

function extentOf(specs: EditEffect['tensors']): Extent {
  return { tensors: specs.length, elements: countElements(specs) }
}
