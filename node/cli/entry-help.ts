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

/** The same for codecs. */
export async function helpOnCodecs(): Promise<string> {
  const codecs = await loadCodecs()
  return describe(
    'Codecs',
    codecs.ids.map((id) => codecs.get(id)),
  )
}

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
