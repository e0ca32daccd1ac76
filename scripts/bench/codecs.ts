import { loadCodecs, loadOperators } from '../../src/index.ts'
import { codecsDocument, operatorsDocument } from './codecs/documents.ts'
import { findExperts } from './codecs/experts.ts'
import {
  type BenchContext,
  type ExpertReport,
  measureExpert,
  sizeInF32,
} from './codecs/measure-expert.ts'
import { type MadeUpRow, measureMadeUp } from './codecs/measure-made-up.ts'
import type { Bench, BenchOptions, Figure } from './figure.ts'
import { openEvaluation } from './measured-suite.ts'

/** "Within 3 % of the order-0 entropy of the symbols it stores plus 64 B." */
const TARGET = { times: 1.03, bits: 8 * 64 } as const

/**
 * All codecs and edits on trained experts: sizes, errors and what they do to the losses; and the codecs
 * on a made-up tensor: sizes and speeds. A quick run takes the least trained expert.
 */
export async function run({ quick }: BenchOptions): Promise<Bench> {
  const evaluation = await openEvaluation()
  try {
    const context: BenchContext = {
      codecs: await loadCodecs(),
      operators: await loadOperators(),
      kernels: evaluation.kernels,
    }
    const paths = findExperts().slice(0, quick ? 1 : undefined)
    const experts: ExpertReport[] = []
    const inF32 = []
    for (const each of paths) {
      experts.push(await measureExpert(each, evaluation, context))
      inF32.push({ expert: each.name, sizes: await sizeInF32(each, context) })
    }
    const madeUp = await measureMadeUp(quick ? 2 ** 18 : 2 ** 22, quick ? 1 : 3, context)
    const findings = { experts, inF32, madeUp }
    return {
      note:
        `Bits per weight of a made-up matrix of ${madeUp[0]!.elements} weights in bf16 whose change ` +
        'is dense. The baseline, in the JSON file, is the entropy of the symbols; the target is ' +
        '1.03 times that and 64 bytes. `docs/codecs.md` and `docs/operators.md` have the trained ' +
        'experts, errors, losses and speeds.',
      figures: madeUp.map(sizeFigure),
      documents: {
        'codecs.md': codecsDocument(findings),
        'operators.md': operatorsDocument(findings),
      },
      findings,
    }
  } finally {
    await evaluation.close()
  }
}

function sizeFigure({ name, elements, bytes, entropyBits }: MadeUpRow): Figure {
  const stored = (8 * bytes) / elements
  return {
    what: name,
    value: stored,
    unit: 'bits',
    target: { is: 'at most', value: (TARGET.times * entropyBits + TARGET.bits) / elements },
    samples: [stored],
    baselineSamples: [entropyBits / elements],
    sampleUnit: 'bits per weight',
  }
}
