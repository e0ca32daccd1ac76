import { resolve } from 'node:path'
import { z } from 'zod'
import {
  type CID,
  cosine,
  describeDifference,
  type EncodedTensor,
  relativeChange,
  type Relation,
  shortId,
  sumRelations,
  type TensorComparison,
} from '../../../src/index.ts'
import { type ComparedSide, compareVariants } from '../../roles/comparer.ts'
import { referenceInput } from '../inputs.ts'
import { formatFigure, formatShare } from '../figures.ts'
import { readNames } from '../names.ts'
import { formatBytes, type Output } from '../output.ts'
import { defineVerb } from './index.ts'

/** Tensors that people see unless they ask for all. */
const TOP = 10

export const verb = defineVerb({
  id: 'diff',
  group: 'deltas',
  summary: 'compare two variants of one base: norms, angles, signs, and the blocks they share',
  arguments: [
    ['<a>', 'a delta or a recipe, or a folder as ./path'],
    ['<b>', 'another one over the same base'],
  ],
  options: [
    { flags: '--base <dir>', about: 'folder of the base, for folders or when it is not known yet' },
    { flags: '--tensors', about: 'list every tensor, not only those that differ most' },
  ],
  examples: ['deltaswarm diff math code', 'deltaswarm diff math ./math --base ./base --tensors'],
  online: true,
  input: z.strictObject({
    a: referenceInput,
    b: referenceInput,
    base: z.string().optional(),
    tensors: z.boolean(),
  }),
  parse: ({ args, options }) => ({
    a: pathOrReference(args[0] as string),
    b: pathOrReference(args[1] as string),
    tensors: options['tensors'] === true,
    ...(options['base'] === undefined ? {} : { base: resolve(options['base'] as string) }),
  }),
  async run(node, { tensors: all, ...request }, options) {
    const { a, b, tensors, blocks } = await compareVariants(node, request, options)
    const names = await readNames(node, new Map())
    const words = { ...node.engine, name: (leaf: CID) => folderOf(leaf, [a, b]) ?? names.of(leaf) }
    const ordered = tensors.toSorted((x, y) => y.squaredDifference - x.squaredDifference)
    const shown = all ? ordered : ordered.filter((each) => each.squaredDifference > 0).slice(0, TOP)
    const bothStored = a.stored.size > 0 && b.stored.size > 0
    const side = ({ id, name }: typeof a) => ({ id: id.toString(), name })
    return {
      schema: 'deltaswarm.diff/1',
      a: side(a),
      b: side(b),
      base: a.recipe.base.toString(),
      recipes: describeDifference(a.recipe, b.recipe, words),
      total: { tensors: tensors.length, ...figuresOf(sumComparisons(tensors)) },
      ...(blocks === undefined ? {} : { blocks }),
      tensors: shown.map((each) => ({
        name: each.spec.name,
        ...figuresOf(each),
        ...(bothStored
          ? storageOf(a.stored.get(each.spec.name), b.stored.get(each.spec.name))
          : {}),
      })),
    }
  },
  ids: ({ a, b }) => [a.id, b.id],
  print(result, output) {
    const { a, b, base, recipes, total, blocks, tensors } = result
    output.line(`${a.name} and ${b.name} over base ${shortId(base)}`)
    output.line(
      `‖A‖ ${formatFigure(total.normA)}  ‖B‖ ${formatFigure(total.normB)}  ` +
        `‖B−A‖ ${formatFigure(total.normDifference)}  cosine ${formatFigure(total.cosine)}  ` +
        `same sign ${formatShare(total.sameSign)}  equal ${formatShare(total.equal)}`,
    )
    if (blocks !== undefined) {
      const { bytesB, sharedBytes, sharedBlocks } = blocks
      output.line(
        `${sharedBlocks} blocks are the same, ${formatBytes(sharedBytes)}: ` +
          `who has ${a.name} fetches ${formatBytes(bytesB - sharedBytes)} of ${formatBytes(bytesB)} for ${b.name}`,
      )
    }
    for (const line of recipes) output.line(line)
    printTensors(tensors, output)
    const more = total.tensors - tensors.length
    if (more > 0)
      output.note(`${more} tensors that differ less or not at all: --tensors lists them`)
  },
})

/** What starts like a path or names a file is one; a name never does. */
function pathOrReference(text: string): string {
  return /^\.{0,2}\/|\/$|\.safetensors$/.test(text) ? resolve(text) : text
}

/** What a user calls the weights of a folder that was given. */
function folderOf(leaf: CID, sides: readonly ComparedSide[]): string | undefined {
  return sides.find(({ recipe: { root } }) => 'weights' in root && root.weights.equals(leaf))?.name
}

type Sums = Relation & Pick<TensorComparison, 'equal' | 'signed' | 'sameSign'>

function sumComparisons(tensors: readonly TensorComparison[]): Sums {
  const sum = (field: 'equal' | 'signed' | 'sameSign'): number =>
    tensors.reduce((total, tensor) => total + tensor[field], 0)
  const counts = { equal: sum('equal'), signed: sum('signed'), sameSign: sum('sameSign') }
  return { ...sumRelations(tensors), ...counts }
}

function figuresOf(sums: Sums) {
  const { elements, squaresA, squaresB, squaredDifference, equal, signed, sameSign } = sums
  return {
    elements,
    normA: Math.sqrt(squaresA),
    normB: Math.sqrt(squaresB),
    normDifference: Math.sqrt(squaredDifference),
    /** ‖B − A‖ ÷ ‖A‖ */
    relative: relativeChange(sums),
    cosine: cosine(sums),
    sameSign: signed === 0 ? null : sameSign / signed,
    equal: elements === 0 ? null : equal / elements,
  }
}

/** How the two sides store a tensor, where they do it in different ways. */
function storageOf(a: EncodedTensor | undefined, b: EncodedTensor | undefined) {
  const [storedA, storedB] = [a, b].map((tensor) =>
    tensor === undefined ? null : { codec: tensor.codec, parameters: tensor.parameters },
  )
  return JSON.stringify(storedA) === JSON.stringify(storedB) ? {} : { storedA, storedB }
}

type Row = ReturnType<typeof figuresOf> & ReturnType<typeof storageOf> & { readonly name: string }

function printTensors(tensors: readonly Row[], output: Output): void {
  if (tensors.length === 0) return
  const stored = tensors.some(({ storedA }) => storedA !== undefined)
  const columns = ['a', 'b', 'difference', 'cosine', 'same sign', 'equal']
  const rows = tensors.map((tensor) => [
    formatFigure(tensor.normA),
    formatFigure(tensor.normB),
    formatFigure(tensor.normDifference),
    formatFigure(tensor.cosine),
    formatShare(tensor.sameSign),
    formatShare(tensor.equal),
    ...(stored ? [storedText(tensor)] : []),
    tensor.name,
  ])
  output.table([...columns, ...(stored ? ['stored'] : []), 'tensor'], rows)
}

function storedText({ storedA, storedB }: Row): string {
  if (storedA === undefined || storedB === undefined) return 'alike'
  const [a, b] = [storedA?.codec ?? '–', storedB?.codec ?? '–']
  return a === b ? `${a}, other parameters` : `${a} → ${b}`
}
