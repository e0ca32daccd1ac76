import {
  type Checkpoint,
  type CID,
  type DeltaSource,
  NotFoundError,
  sameShape,
  verifyTensor,
} from '../src/index.ts'
import type { Bases } from './bases.ts'
import type { Engine } from './engine.ts'
import type { Marks } from './storage/marks.ts'

/**
 * Blocks are hashed on their way in, but that a tensor decodes to what its author declared shows
 * only when it is decoded over the base. It is done once per delta, before anything is computed
 * with it.
 */
export interface Verification {
  /**
   * Resolves when the delta is known to decode as declared, and at once when its base is not here:
   * then nothing can be computed with it either. Rejects with `VerificationError` `E_DECODED_HASH`,
   * or `MalformedError` for sections that do not decode or hold values that are not finite.
   */
  check(id: CID, source: DeltaSource): Promise<void>
}

export function createVerification({
  marks,
  bases,
  engine,
}: {
  readonly marks: Marks
  readonly bases: Bases
  readonly engine: Engine
}): Verification {
  return {
    async check(id, source) {
      if ((await marks.get(id.toString())) !== undefined) return
      const base = await bases.open(source.root.base).catch(absent)
      if (base === undefined) return
      await verifyDelta(source, base.folder.checkpoint, engine)
      await marks.set(id.toString(), source.root.base.toString())
    },
  }
}

function absent(error: unknown): undefined {
  if (!(error instanceof NotFoundError)) throw error
}

async function verifyDelta(source: DeltaSource, base: Checkpoint, engine: Engine): Promise<void> {
  for (const [name, tensor] of source.tensors) {
    const spec = base.tensors.get(name)
    // A tensor that does not fit the base is refused with both shapes when a recipe is planned.
    if (spec?.dtype !== tensor.spec.dtype || !sameShape(spec.shape, tensor.spec.shape)) continue
    await verifyTensor(
      engine.codecs.get(tensor.codec),
      tensor,
      source.sections(name),
      (offset, into) => base.read(name, offset, into),
      engine,
    )
  }
}
