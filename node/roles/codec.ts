import { blocksBelow } from '../../protocol/index.ts'
import {
  type Calibration,
  type CID,
  type CodecChoice,
  type CodecChooser,
  createCodecChooser,
  type EncodeContext,
  InvalidInputError,
  type Scope,
} from '../../src/index.ts'
import type { JobOptions } from '../job-options.ts'
import type { SwarmNode } from '../node.ts'

/** A codec as a user asks for it. */
export interface CodecRequest extends Omit<CodecChoice, 'like'> {
  /** Reference of a delta whose sections are to be shared. */
  readonly like?: string | undefined
}

/** The same, ready to encode with. */
export interface OpenCodec {
  readonly choose: CodecChooser
  readonly context: EncodeContext
  /** As the user said it. */
  readonly scope?: Scope | undefined
  /** With whom sections are shared: the codec, the other delta and the CIDs of its blocks. */
  readonly like?: {
    readonly codec: string
    readonly id: CID
    readonly blocks: ReadonlySet<string>
  }
}

/** Finds what is wrong with a codec's name and parameters; throws as `createCodecChooser` does. */
export function checkCodec({ engine }: SwarmNode, { like, ...choice }: CodecRequest): void {
  createCodecChooser(like === undefined ? choice : { ...choice, like: NOTHING_ALIKE }, engine)
}

/**
 * Looks up what a codec goes by; the delta that it shares sections with is fetched where it is not
 * here. Rejects with `InvalidInputError` `E_NOT_A_DELTA` where that is no delta, `E_CALIBRATION`
 * where both are given, or as `createCodecChooser` throws.
 */
export async function openCodec(
  node: SwarmNode,
  { like: reference, ...choice }: CodecRequest,
  { calibration, ...options }: JobOptions & { readonly calibration?: Calibration | undefined },
): Promise<OpenCodec> {
  const { engine, library, store } = node
  const { scope } = choice
  const context = { kernels: engine.kernels, codecs: engine.codecs, calibration }
  if (reference === undefined) {
    return { choose: createCodecChooser(choice, context), context, scope }
  }
  if (calibration !== undefined) throw twoFits()
  const { root } = await library.recipe(await library.resolve(reference), options)
  if (!('delta' in root)) throw notADelta(reference)
  const id = root.delta
  const blocks = new Set<string>()
  for await (const { cid } of blocksBelow(store.blocks, id)) blocks.add(cid.toString())
  const delta = await library.sources.delta(id)
  const choose = createCodecChooser({ ...choice, like: delta }, context)
  return { choose, context, scope, like: { codec: choice.codec, id, blocks } }
}

const NOTHING_ALIKE: NonNullable<CodecChoice['like']> = {
  tensors: new Map(),
  sections: () => ({ bytes: () => 0, read: () => Promise.reject(new RangeError('no section')) }),
}

function twoFits(): InvalidInputError {
  return new InvalidInputError(
    'E_CALIBRATION',
    'scales for given signs are not fitted to outputs',
    {
      expected: 'like:REF or --calibration',
      actual: 'both',
      fix: 'leave one of them out',
    },
  )
}

function notADelta(reference: string): InvalidInputError {
  return new InvalidInputError('E_NOT_A_DELTA', `'${reference}' stores no tensors of its own`, {
    expected: 'a delta',
    actual: 'a recipe',
    fix: 'name a delta that was published or materialised with this codec',
  })
}
