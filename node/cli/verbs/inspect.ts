import { resolve } from 'node:path'
import { z } from 'zod'
import {
  type CID,
  describeRecipe,
  elementsOf,
  recipeId,
  shortId,
  type TensorSpectrum,
} from '../../../src/index.ts'
import { sizesOf } from '../../library.ts'
import type { SwarmNode } from '../../node.ts'
import { type LayerFigures, measureLayers, storedBytes } from '../../roles/layers.ts'
import { spectraOf } from '../../roles/spectra.ts'
import { formatFigure, formatShare } from '../figures.ts'
import { referenceInput } from '../inputs.ts'
import { readNames } from '../names.ts'
import { formatBytes, type Output } from '../output.ts'
import { defineVerb } from './index.ts'

export const verb = defineVerb({
  id: 'inspect',
  group: 'deltas',
  summary: 'show what a delta or a recipe is: base, codecs, sizes, layers, tensors',
  arguments: [['<ref>', 'a delta or a recipe']],
  options: [
    { flags: '--tensors', about: 'list every tensor of a delta' },
    { flags: '--layers', about: 'measure layer by layer, over the base' },
    { flags: '--spectrum', about: 'singular values of the matrices inside layers, over the base' },
    { flags: '--base <dir>', about: 'folder of the base, when it is not known here yet' },
  ],
  examples: [
    'deltaswarm inspect math --tensors',
    'deltaswarm inspect math --layers',
    'deltaswarm inspect math --spectrum',
  ],
  online: true,
  input: z.strictObject({
    ref: referenceInput,
    tensors: z.boolean(),
    layers: z.boolean().default(false),
    spectrum: z.boolean().default(false),
    base: z.string().optional(),
  }),
  parse: ({ args, options }) => ({
    ref: args[0],
    tensors: options['tensors'] === true,
    layers: options['layers'] === true,
    spectrum: options['spectrum'] === true,
    ...(options['base'] === undefined ? {} : { base: resolve(options['base'] as string) }),
  }),
  async run(node, { ref, tensors, layers, spectrum, base }, options) {
    const cid = await node.library.resolve(ref)
    const recipe = await node.library.recipe(cid, options)
    if (base !== undefined) await node.bases.require(base, recipe.base, options)
    const { ownBytes, closureBytes } = await sizesOf(node.store, cid)
    const variant = recipeId(recipe).toString()
    const names = await readNames(node, new Map([[variant, recipe]]))
    const about = describeRecipe(recipe, { ...node.engine, name: (leaf) => names.of(leaf) })
    const { root } = recipe
    return {
      schema: 'deltaswarm.inspect/1',
      id: cid.toString(),
      name: await node.library.nameOf(cid),
      variant,
      base: recipe.base.toString(),
      recipe: about,
      ownBytes,
      closureBytes,
      ...('delta' in root ? await deltaFacts(node, root.delta) : {}),
      ...('delta' in root && tensors ? { tensors: await tensorsOf(node, root.delta) } : {}),
      ...(layers ? { layers: await measureLayers(node, recipe, options) } : {}),
      ...(spectrum ? { spectrum: await spectraOf(node, recipe, options) } : {}),
    }
  },
  ids: ({ id }) => [id],
  print(result, output) {
    const { tensors, layers, spectrum } = result
    const recipe = result.recipe === result.name ? [] : [result.recipe]
    output.line([result.name, shortId(result.id), ...recipe].join('  '))
    output.line(`over base ${shortId(result.base)}`)
    output.line(`own ${formatBytes(result.ownBytes)}, closure ${formatBytes(result.closureBytes)}`)
    if (result.codecs !== undefined) {
      output.line(
        `${codecsText(result.codecs)}  ${result.bpw?.toPrecision(3)} bits per weight${result.exact ? ', exact' : ''}`,
      )
      output.line(`${result.architecture}, ${result.licence}, by ${result.author}`)
      const parents = result.parents ?? []
      if (parents.length > 0) output.line(`made from ${parents.map(shortId).join(', ')}`)
    }
    if (layers !== undefined) printLayers(layers, output)
    if (spectrum !== undefined) printSpectrum(spectrum, output)
    if (tensors !== undefined) {
      output.table(
        ['tensor', 'dtype', 'shape', 'codec', 'size', 'bpw'],
        tensors.map(({ name, dtype, shape, codec, bytes, bpw }) => [
          name,
          dtype,
          shape.join('×') || '1',
          codec,
          formatBytes(bytes),
          bpw.toPrecision(3),
        ]),
      )
    }
    output.line(result.id)
  },
})

async function deltaFacts({ library }: SwarmNode, id: CID) {
  const { root } = await library.sources.delta(id)
  return {
    author: root.author,
    licence: root.licence,
    architecture: root.architecture,
    codecs: root.codecs,
    elements: root.elements,
    bpw: (8 * root.bytes) / root.elements,
    exact: root.post !== undefined,
    tensorCount: root.tensors,
    parents: root.parents.map((parent) => parent.toString()),
  }
}

async function tensorsOf(node: SwarmNode, id: CID) {
  const bytesOf = await storedBytes(node, id)
  const { tensors } = await node.library.sources.delta(id)
  return [...tensors.values()].map(({ spec: { name, dtype, shape }, codec, parameters }) => {
    const [elements, bytes] = [elementsOf(shape), bytesOf.get(name)!]
    return { name, dtype, shape, elements, codec, parameters, bytes, bpw: (8 * bytes) / elements }
  })
}

function printLayers(layers: readonly LayerFigures[], output: Output): void {
  output.table(
    ['layer', 'weights', '‖Δ‖', '‖Δ‖/‖W‖', 'zeros', 'size', 'bpw', 'codec'],
    layers.map(({ layer, elements, norm, relativeNorm, zeros, stored }) => [
      layer ?? 'other',
      String(elements),
      formatFigure(norm),
      formatFigure(relativeNorm),
      formatShare(zeros),
      stored === undefined ? '–' : formatBytes(stored.bytes),
      stored === undefined ? '–' : stored.bpw.toPrecision(3),
      stored === undefined ? '–' : codecsText(stored.codecs),
    ]),
  )
}

/** Ranks whose share of the energy people see; `--json` has all. */
const RANKS = [1, 4, 16]

function printSpectrum(spectra: readonly TensorSpectrum[], output: Output): void {
  output.table(
    ['‖Δ‖', 'largest', 'stable rank', ...RANKS.map((rank) => `top ${rank}`), 'tensor'],
    spectra.map(({ name, norm, values, stableRank, energy }) => [
      formatFigure(norm),
      formatFigure(values[0] ?? null),
      formatFigure(stableRank),
      ...RANKS.map((rank) => formatShare(energy[rank - 1] ?? energy.at(-1) ?? null)),
      name,
    ]),
  )
}

function codecsText(codecs: Readonly<Record<string, number>>): string {
  return Object.entries(codecs)
    .map(([codec, count]) => `${codec} ×${count}`)
    .join(', ')
}
