/**
 * Solves G·x = h for a symmetric, positive semidefinite G of n × n by LDLᵀ in f64. An unknown that
 * depends on those before it (its pivot is below 10⁻¹² of its diagonal) becomes 0, which still
 * gives least squares.
 */
export function solveNormalEquations(gram: Float64Array, right: Float64Array): Float64Array {
  const n = right.length
  const lower = new Float64Array(n * n)
  const pivots = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    let pivot = gram[i * n + i]!
    for (let j = 0; j < i; j++) {
      if (pivots[j] === 0) continue
      let value = gram[i * n + j]!
      for (let k = 0; k < j; k++) value -= lower[i * n + k]! * lower[j * n + k]! * pivots[k]!
      lower[i * n + j] = value / pivots[j]!
      pivot -= value * lower[i * n + j]!
    }
    pivots[i] = pivot > gram[i * n + i]! * DEPENDENT ? pivot : 0
  }
  const solution = Float64Array.from(right)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) solution[i]! -= lower[i * n + j]! * solution[j]!
    // A dependent unknown takes no part: what follows must not see it.
    if (pivots[i] === 0) solution[i] = 0
  }
  for (let i = n - 1; i >= 0; i--) {
    if (pivots[i] === 0) continue
    solution[i]! /= pivots[i]!
    for (let j = i + 1; j < n; j++) solution[i]! -= lower[j * n + i]! * solution[j]!
  }
  return solution
}

/**
 * Well above what n roundings of f64 leave of a pivot that is 0, for the few unknowns there are.
 */
const DEPENDENT = 1e-12
