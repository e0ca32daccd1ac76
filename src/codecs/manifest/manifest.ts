import type { z } from 'zod'
import { decodeCanonical, encodeCanonical } from '../../canonical.ts'
import { LimitError, MalformedError } from '../../errors.ts'
import type { EncodedTensor } from '../index.ts'
import { checkLayout } from './layout.ts'
import { MAX_INDEX_BYTES, MAX_ROOT_BYTES } from './limits.ts'
import type { DeltaRoot, IndexedTensor, IndexNode } from './nodes.ts'
import { indexShape, rootShape } from './shape.ts'

export { checkContents } from './layout.ts'
export type { DeltaRoot, DeltaSource, IndexedTensor, IndexNode } from './nodes.ts'

/**
 * The canonical bytes of a root. Throws as `decodeRoot` does, so that nothing is published that
 * nobody would read.
 */
export function encodeRoot(root: DeltaRoot): Uint8Array {
  return encodeNode('delta root', rootShape, root, MAX_ROOT_BYTES)
}

/**
 * Throws `LimitError` `E_NODE_SIZE` above `MAX_ROOT_BYTES`; `MalformedError` `E_NOT_CANONICAL`,
 * `E_VERSION` for a version that this reader does not know, or `E_BAD_MANIFEST`.
 */
export function decodeRoot(bytes: Uint8Array): DeltaRoot {
  return decodeNode('delta root', rootShape, bytes, MAX_ROOT_BYTES)
}

/** The canonical bytes of an index node; throws as `decodeIndex` does. */
export function encodeIndex(node: IndexNode): Uint8Array {
  const bytes = encodeNode('delta index', indexShape, node, MAX_INDEX_BYTES)
  checkLayout(node)
  return bytes
}

/** Throws as `decodeRoot` does; its own cap is `MAX_INDEX_BYTES`. */
export function decodeIndex(bytes: Uint8Array): IndexNode {
  const node = decodeNode('delta index', indexShape, bytes, MAX_INDEX_BYTES)
  checkLayout(node)
  return node
}

/** What a codec needs of an indexed tensor besides its sections. */
export function toEncoded(tensor: IndexedTensor): EncodedTensor {
  const { name, dtype, shape, codec, parameters, sha256 } = tensor
  return { spec: { name, dtype, shape }, codec, parameters, sha256 }
}

function encodeNode<T>(kind: string, shape: z.ZodType<T>, node: T, maxBytes: number): Uint8Array {
  const bytes = encodeCanonical(checkShape(kind, shape, node))
  checkSize(kind, bytes, maxBytes)
  return bytes
}

function decodeNode<T>(kind: string, shape: z.ZodType<T>, bytes: Uint8Array, maxBytes: number): T {
  checkSize(kind, bytes, maxBytes)
  return checkShape(kind, shape, decodeCanonical(bytes))
}

function checkSize(kind: string, bytes: Uint8Array, max: number): void {
  if (bytes.length <= max) return
  throw new LimitError('E_NODE_SIZE', `a ${kind} has at most ${max} bytes, got ${bytes.length}`, {
    expected: max,
    actual: bytes.length,
  })
}

function checkShape<T>(kind: string, shape: z.ZodType<T>, value: unknown): T {
  checkVersion(kind, value)
  const result = shape.safeParse(value)
  if (result.success) return result.data
  const { path, message } = result.error.issues[0]!
  const field = path.map(String).join('.')
  const reason = message.slice(0, MAX_REASON_LENGTH)
  throw new MalformedError('E_BAD_MANIFEST', `${kind}, \`${field}\`: ${reason}`, {
    expected: reason,
    details: { field },
  })
}

function checkVersion(kind: string, value: unknown): void {
  const version: unknown = (value as { version?: unknown } | null)?.version
  if (version === VERSION) return
  throw new MalformedError('E_VERSION', `${kind} of version ${String(version).slice(0, 20)}`, {
    expected: VERSION,
    actual: version,
    fix: 'update deltaswarm',
  })
}

const VERSION = 1

/** A reason may quote the sender's field names. */
const MAX_REASON_LENGTH = 200
