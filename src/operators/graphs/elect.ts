import type { ElectAndMerge } from '../../compute/kernels.ts'
import type { Emitter } from '../../graphs/emitter.ts'

/** Shares below this divide by 1, as in the kernel. */
const LEAST_SHARE = 1e-8

/** `electAndMerge` of the kernels, in the same order of the same operations. */
export function emitElection(
  emitter: Emitter,
  inputs: readonly string[],
  { weights, weighted, zeroSign, normalize, lambda }: ElectAndMerge,
): string {
  const zero = emitter.float(0)
  const sum = (terms: readonly string[]): string =>
    terms.reduce((total, term) => emitter.node('Add', [total, term]))
  const values = inputs.map((x, i) => emitter.node('Mul', [x, emitter.float(weights[i]!)]))
  const voters = weighted ? values : inputs

  const vote = sum(voters)
  const otherwise = emitter.float(zeroSign)
  const negative = emitter.node('Where', [
    emitter.node('Less', [vote, zero]),
    emitter.float(-1),
    otherwise,
  ])
  const elected = emitter.node('Where', [
    emitter.node('Greater', [vote, zero]),
    emitter.float(1),
    negative,
  ])
  const agrees = voters.map((voter) =>
    emitter.node('Greater', [emitter.node('Mul', [voter, elected]), zero]),
  )
  const merged = sum(agrees.map((agree, i) => emitter.node('Where', [agree, values[i]!, zero])))
  if (!normalize) return emitter.node('Mul', [merged, emitter.float(lambda)])

  const share = sum(
    agrees.map((agree, i) => emitter.node('Where', [agree, emitter.float(weights[i]!), zero])),
  )
  const none = emitter.node('Less', [emitter.node('Abs', [share]), emitter.float(LEAST_SHARE)])
  const divisor = emitter.node('Where', [none, emitter.float(1), share])
  const mean = emitter.node('Div', [merged, divisor])
  return emitter.node('Mul', [mean, emitter.float(lambda)])
}
