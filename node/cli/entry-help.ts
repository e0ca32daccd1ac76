import {
  type Codec,
  describeRange,
  loadCodecs,
  loadOperators,
  type Operator,
} from '../../src/index.ts'
import { HELP_WIDTH } from './output.ts'

/** Help on every edit with its parameters, as `edit --help` shows it. */
export async function helpOnEdits(): Promise<string> {
  return describe('Edits', await operatorsOf('edit'))
}

/** The same for merges. */
export async function helpOnMerges(): Promise<string> {
  return describe('Methods', await operatorsOf('merge'))
}

/** The same for codecs, with what `publish` takes besides. */
export async function helpOnCodecs(): Promise<string> {
  const codecs = await loadCodecs()
  const entries = codecs.ids.map((id) => codecs.get(id))
  const able = entries.filter(({ encodeLike }) => encodeLike !== undefined).map(({ id }) => id)
  return [
    describe('Codecs', entries),
    '',
    row(2, 'scope:PATTERN', SCOPE_HELP),
    row(2, 'like:REF', `with ${able.join(', ')}: ${LIKE_HELP}`),
    row(2, '--calibration', CALIBRATION_HELP),
  ].join('\n')
}

const SCOPE_HELP =
  'what a codec with a loss stores: all, matrices (those of the layers; default), or names as in ' +
  '*.mlp.*|!*.0.*; the rest is stored by raw'

const LIKE_HELP =
  'take the signs and parameters of that delta and fit only scales; a tensor that it lacks or ' +
  'stores otherwise has signs of its own, with the parameters given'

const CALIBRATION_HELP =
  'a file with the inputs of weight matrices on some samples: a tensor [n, inputs] of F32, BF16 or ' +
  'F16 under the name of the weight; scales of a matrix or of rows then lose least of its outputs'

type Entry = Pick<Operator | Codec, 'id' | 'about' | 'parameters'>

async function operatorsOf(kind: Operator['kind']): Promise<readonly Entry[]> {
  const operators = await loadOperators()
  return operators.ids.map((id) => operators.get(id)).filter((operator) => operator.kind === kind)
}

/** One entry a line, its parameters with their defaults below it. */
function describe(title: string, entries: readonly Entry[]): string {
  const lines = entries.flatMap(({ id, about, parameters }) => [
    row(2, id, about),
    ...Object.entries(parameters).map(([name, parameter]) => {
      const given = Array.isArray(parameter.default) ? '' : `:${String(parameter.default)}`
      return row(4, `${name}${given}`, `${parameter.about} (${describeRange(parameter)})`)
    }),
  ])
  return [`${title}, with their parameters and defaults:`, ...lines].join('\n')
}

/** Where the explanations begin. */
const COLUMN = 26

/** A term and what it means, broken between words. */
function row(indent: number, term: string, about: string): string {
  const lines: string[] = []
  let line = `${' '.repeat(indent)}${term}`.padEnd(COLUMN - 1)
  for (const word of about.split(' ')) {
    if (line.length + 1 + word.length > HELP_WIDTH) {
      lines.push(line)
      line = ' '.repeat(COLUMN - 1)
    }
    line += ` ${word}`
  }
  return [...lines, line].join('\n')
}
