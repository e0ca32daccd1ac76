import { z } from 'zod'
import { describeRecipe, elementsOf, recipeId, shortId } from '../../../src/index.ts'
import { sizesOf } from '../../library.ts'
import { referenceInput } from '../inputs.ts'
import { readNames } from '../names.ts'
import { formatBytes } from '../output.ts'
import { defineVerb } from './index.ts'

export const verb = defineVerb({
  id: 'inspect',
  group: 'deltas',
  summary: 'show what a delta or a recipe is: base, codecs, sizes, tensors',
  arguments: [['<ref>', 'a delta or a recipe']],
  options: [{ flags: '--tensors', about: 'list every tensor' }],
  examples: ['deltaswarm inspect math --tensors'],
  online: true,
  input: z.strictObject({ ref: referenceInput, tensors: z.boolean() }),
  parse: ({ args, options }) => ({ ref: args[0], tensors: options['tensors'] === true }),
  async run(node, { ref, tensors }, options) {
    const cid = await node.library.resolve(ref)
    const recipe = await node.library.recipe(cid, options)
    const { ownBytes, closureBytes } = await sizesOf(node.store, cid)
    const variant = recipeId(recipe).toString()
    const names = await readNames(node, new Map([[variant, recipe]]))
    const about = describeRecipe(recipe, { ...node.engine, name: (leaf) => names.of(leaf) })
    const delta =
      'delta' in recipe.root ? await node.library.sources.delta(recipe.root.delta) : undefined
    return {
      schema: 'deltaswarm.inspect/1',
      id: cid.toString(),
      name: await node.library.nameOf(cid),
      variant,
      base: recipe.base.toString(),
      recipe: about,
      ownBytes,
      closureBytes,
      ...(delta === undefined
        ? {}
        : {
            author: delta.root.author,
            licence: delta.root.licence,
            architecture: delta.root.architecture,
            codecs: delta.root.codecs,
            elements: delta.root.elements,
            bpw: (8 * delta.root.bytes) / delta.root.elements,
            exact: delta.root.post !== undefined,
            tensors: !tensors
              ? delta.root.tensors
              : [...delta.tensors.values()].map(({ spec, codec, parameters }) => ({
                  name: spec.name,
                  dtype: spec.dtype,
                  shape: spec.shape,
                  elements: elementsOf(spec.shape),
                  codec,
                  parameters,
                })),
          }),
    }
  },
  ids: ({ id }) => [id],
  print(result, output) {
    const { tensors } = result
    const recipe = result.recipe === result.name ? [] : [result.recipe]
    output.line([result.name, shortId(result.id), ...recipe].join('  '))
    output.line(`over base ${shortId(result.base)}`)
    output.line(`own ${formatBytes(result.ownBytes)}, closure ${formatBytes(result.closureBytes)}`)
    if (result.codecs !== undefined) {
      const codecs = Object.entries(result.codecs).map(([codec, count]) => `${codec} ×${count}`)
      output.line(
        `${codecs.join(', ')}  ${result.bpw?.toPrecision(3)} bits per weight${result.exact ? ', exact' : ''}`,
      )
      output.line(`${result.architecture}, ${result.licence}, by ${result.author}`)
    }
    if (Array.isArray(tensors)) {
      output.table(
        ['tensor', 'dtype', 'shape', 'codec'],
        tensors.map(({ name, dtype, shape, codec }) => [
          name,
          dtype,
          shape.join('×') || '1',
          codec,
        ]),
      )
    }
    output.line(result.id)
  },
})
