import { median } from '../figure.ts'
import { CHANGE_HEAD, changeCells, count, fixed, table } from './cells.ts'
import { claimTable } from './claims.ts'
import type { CodecRow, ExpertReport, SizeInF32 } from './measure-expert.ts'
import type { MadeUpRow } from './measure-made-up.ts'

/** What the bench found: the data of `docs/codecs.md` and `docs/operators.md`. */
export interface CodecFindings {
  readonly experts: readonly ExpertReport[]
  readonly inF32: readonly { readonly expert: string; readonly sizes: readonly SizeInF32[] }[]
  readonly madeUp: readonly MadeUpRow[]
}

const ORIGIN = 'Written by `npm run bench codecs`, from `docs/bench/codecs.json`.'

const LOSSES =
  'A loss change is in nats per target, on held-out items of the task that the expert was trained ' +
  'for, against the expert itself in BF16; all variants are rounded to BF16 before they are ' +
  'measured. Its interval is a paired bootstrap over the items. The margin of the classes is 5 % of ' +
  'what the expert gained over its base, at least 0.005: _competitive_ lies within it with 95 % ' +
  'confidence on either side, _improved_ and _decreased_ lie below and above 0 and matter, ' +
  '_undecided_ would need more items.'

const SCALE =
  'These models are small, with matrices of some ten thousand weights: tables and scales weigh more ' +
  'than in a large model, and a random mask averages over fewer weights.'

export function codecsDocument(findings: CodecFindings): string {
  const { experts, madeUp, inF32 } = findings
  return sections([
    '# Codecs, measured',
    ORIGIN,
    'Each codec in each of its forms stores what fine-tuning did to the matrices inside the layers, ' +
      'with base and fine-tune rounded to BF16; biases, norms, embeddings and heads are stored by ' +
      '`raw` and belong to the whole delta only. Settings are spelled as the command line takes ' +
      `them. ${SCALE} Sizes are those of the sections, without the manifest.`,
    'Entropy is what the symbols of a tensor take at least when they are coded one by one by how ' +
      'often they occur: signs with zero as a third one, masks, codes, levels, the bytes of values; ' +
      'for `raw` the differences given the exponent of the base. A coder that adapts within a tensor ' +
      'may take a little less, tables make small tensors take more. Error is ‖decoded − Δ‖ ÷ ‖Δ‖ over ' +
      'the matrices, Δ being the delta before any edit.',
    LOSSES,
    '## The experts',
    expertTable(experts),
    '## The smallest codec at a loss',
    'Of all settings the one with the fewest bytes in the matrices, in bits per weight, whose loss ' +
      'is higher than that of the expert by no more than so many nats, and the smallest that is ' +
      'competitive or improved. A loss that is lower by chance counts as no higher.',
    smallestTable(experts),
    '## What the paper says',
    'The claims of arXiv 2410.13841 were found with models a thousand times as large. “Does not ' +
      'hold” is about these experts on these items; single masks of seed 0 stand for random edits.',
    claimTable(experts),
    ...experts.flatMap((expert) => [`## ${expert.name}`, codecTable(expert)]),
    '## In F32',
    'Bits per weight of the matrices where base and fine-tune are kept in F32 as trained, and in ' +
      'parentheses in BF16. In F32 hardly a weight stays equal, so that signs have no zeros, and ' +
      '`raw` stores mantissas that nothing predicts.',
    f32Table(experts, inF32),
    '## Speed',
    `A made-up matrix of ${count(madeUp[0]!.elements)} weights in BF16 with a dense change. MB per ` +
      'second of one core, the median of the samples: of the delta in F32, or of the weights in BF16 ' +
      'for `raw`. Entropy as above.',
    speedTable(madeUp),
  ])
}

export function operatorsDocument({ experts }: CodecFindings): string {
  return sections([
    '# Editing operators, measured',
    ORIGIN,
    'Each operator edits the matrices inside the layers, with base and fine-tune rounded to BF16. ' +
      'The intensity is E‖ΔW‖² ÷ ‖Δ‖² by formula where there is one, ΔW being what the edit adds to ' +
      'the fine-tune; the change is ‖ΔW‖ ÷ ‖Δ‖ and the cosine that of the angle between the deltas ' +
      `before and after, both measured. Random masks are those of seed 0. ${SCALE}`,
    LOSSES,
    expertTable(experts),
    ...experts.flatMap((expert) => [`## ${expert.name}`, editTable(expert)]),
  ])
}

function sections(parts: readonly string[]): string {
  return `${parts.join('\n\n')}\n`
}

function expertTable(experts: readonly ExpertReport[]): string {
  const head = [
    'expert',
    'what it is',
    'changed weights',
    'in matrices',
    'loss of the base',
    'of the expert',
    'margin',
    'items',
  ]
  const rows = experts.map((expert) => [
    expert.name,
    expert.about,
    count(expert.elements),
    count(expert.matrixElements),
    fixed(expert.base, 4),
    fixed(expert.expert, 4),
    fixed(expert.margin, 4),
    count(expert.items),
  ])
  return table(head, rows)
}

/** In nats per target. */
const LOSS_LIMITS = [0.002, 0.01, 0.05, 0.2] as const

function smallestTable(experts: readonly ExpertReport[]): string {
  const head = ['expert', 'competitive', ...LOSS_LIMITS.map((limit) => `${limit} nats`)]
  const rows = experts.map(({ name, codecs, matrixElements }) => {
    const smallest = (isGood: (row: CodecRow) => boolean): string => {
      const [best] = codecs.filter(isGood).toSorted((a, b) => a.bytes - b.bytes)
      return best === undefined
        ? 'none'
        : `\`${best.name}\`, ${fixed((8 * best.bytes) / matrixElements, 2)}`
    }
    return [
      name,
      smallest(({ change }) => change.class === 'competitive' || change.class === 'improved'),
      ...LOSS_LIMITS.map((limit) => smallest(({ change }) => change.difference <= limit)),
    ]
  })
  return table(head, rows)
}

function codecTable({ codecs, matrixElements, elements }: ExpertReport): string {
  const head = [
    'codec',
    'bytes',
    'bits per weight',
    'entropy, bits',
    '÷ entropy',
    'error',
    'whole delta, bytes',
    'bits per weight',
    ...CHANGE_HEAD,
  ]
  const rows = codecs.map(({ name, bytes, entropyBits, error, wholeBytes, change }) => [
    `\`${name}\``,
    count(bytes),
    fixed((8 * bytes) / matrixElements, 2),
    fixed(entropyBits / matrixElements, 2),
    fixed((8 * bytes) / entropyBits, 3),
    fixed(error, 4),
    count(wholeBytes),
    fixed((8 * wholeBytes) / elements, 2),
    ...changeCells(change),
  ])
  return table(head, rows)
}

function f32Table(experts: readonly ExpertReport[], inF32: CodecFindings['inF32']): string {
  const head = ['codec', ...inF32.map(({ expert }) => expert)]
  const rows = inF32[0]!.sizes.map(({ name }, i) => [
    `\`${name}\``,
    ...inF32.map(({ sizes }, e) => {
      const { codecs, matrixElements } = experts[e]!
      const { bytes } = codecs.find((row) => row.name === name)!
      return `${fixed(sizes[i]!.bitsPerWeight, 2)} (${fixed((8 * bytes) / matrixElements, 2)})`
    }),
  ])
  return table(head, rows)
}

function speedTable(madeUp: readonly MadeUpRow[]): string {
  const head = ['codec', 'bits per weight', '÷ entropy', 'encode, MB/s', 'decode, MB/s']
  const rows = madeUp.map((row) => [
    `\`${row.name}\``,
    fixed((8 * row.bytes) / row.elements, 2),
    fixed((8 * row.bytes) / row.entropyBits, 3),
    count(median(row.encode)),
    count(median(row.decode)),
  ])
  return table(head, rows)
}

function editTable({ edits }: ExpertReport): string {
  const head = ['edit', 'intensity', 'change', 'cosine', ...CHANGE_HEAD]
  const rows = edits.map(({ name, intensity, error, cosine, change }) => [
    `\`${name}\``,
    intensity === undefined ? '' : fixed(intensity, 3),
    fixed(error, 3),
    fixed(cosine, 3),
    ...changeCells(change),
  ])
  return table(head, rows)
}
