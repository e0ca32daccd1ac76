import { MalformedError } from '../../errors.ts'
import { compareNames, elementsOf } from '../../tensors/tensor.ts'
import type { DeltaRoot, IndexNode } from './nodes.ts'

/**
 * Checks what the fields of an index node say together: names in order and each once, sections that
 * fill the leaves without a gap or an overlap. A few bytes can then not claim to be many, and no
 * leaf holds bytes that nobody decodes. Throws `MalformedError` `E_BAD_MANIFEST`.
 */
export function checkLayout(node: IndexNode): void {
  checkOrder(node)
  const starts = [0]
  for (const [, length] of node.leaves) starts.push(starts.at(-1)! + length)
  const ranges = sectionsOf(node).map(({ label, section: [leaf, offset, length] }) => {
    const leafBytes = node.leaves[leaf]?.[1] ?? 0
    if (offset >= leafBytes) {
      throw badManifest(`${label} starts outside its leaf`, `below ${leafBytes}`, offset)
    }
    const start = starts[leaf]! + offset
    return { label, start, end: start + length }
  })
  ranges.sort((a, b) => a.start - b.start)
  let end = 0
  for (const range of ranges) {
    if (range.start !== end) {
      throw badManifest(`${range.label} leaves a gap or overlaps`, end, range.start)
    }
    end = range.end
  }
  const total = starts.at(-1)!
  if (end !== total) throw badManifest('sections do not fill the leaves', total, end)
}

/**
 * Checks a root against all of its index nodes, in the order of its links: names in order over the
 * nodes, and the totals that the root claims. Throws `MalformedError` `E_BAD_MANIFEST`.
 */
export function checkContents(root: DeltaRoot, nodes: readonly IndexNode[]): void {
  const tensors = nodes.flatMap((node) => node.tensors)
  checkOrder({ tensors })
  const sections = nodes.flatMap(sectionsOf)
  const codecs = new Map<string, number>()
  for (const { codec } of tensors) codecs.set(codec, (codecs.get(codec) ?? 0) + 1)
  const totals: readonly (readonly [string, Fact, Fact])[] = [
    ['index nodes', root.index.length, nodes.length],
    ['tensors', root.tensors, tensors.length],
    ['elements', root.elements, sum(tensors.map(({ shape }) => elementsOf(shape)))],
    ['bytes', root.bytes, sum(sections.map(({ section }) => section[2]))],
    ['codecs', spell(new Map(Object.entries(root.codecs))), spell(codecs)],
  ]
  for (const [total, claimed, actual] of totals) {
    if (claimed !== actual) throw badManifest(`the root's ${total} are wrong`, claimed, actual)
  }
}

function checkOrder({ tensors }: Pick<IndexNode, 'tensors'>): void {
  for (const [i, { name }] of tensors.entries()) {
    const previous = tensors[i - 1]?.name
    if (previous === undefined || compareNames(previous, name) < 0) continue
    throw badManifest('tensors out of order or twice', `a name after '${previous}'`, name)
  }
}

function sectionsOf(node: IndexNode) {
  return node.tensors.flatMap(({ name, sections }) =>
    Object.entries(sections).map(([id, section]) => ({ label: `'${name}' ${id}`, section })),
  )
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function spell(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .map(([id, count]) => `${count} ${id}`)
    .toSorted()
    .join(', ')
}

function badManifest(message: string, expected: Fact, actual: Fact): MalformedError {
  const text = `${message}: expected ${expected}, got ${actual}`
  return new MalformedError('E_BAD_MANIFEST', text, {
    expected,
    actual,
    fix: 'the delta was published like this: ask its author for another',
  })
}

type Fact = string | number
