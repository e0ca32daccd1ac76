import { largestSearchBytes } from '../../compute/largest.ts'
import { all, createSelectionSearch, type Over, searchPasses, type Selection } from './selection.ts'
import type { Statistic } from './statistic.ts'

export interface TopMagnitudes {
  readonly over: Over
  /** ⌊density · elements⌋ are kept, and of equals those with the lowest index. */
  readonly density: number
  /** One more than that, and all of its equals: the threshold of the official TIES code. */
  readonly inclusive?: boolean
}

/** Finds each input's largest elements. */
export function topMagnitudes(options: TopMagnitudes): Statistic<readonly Selection[]> {
  const { over, density, inclusive = false } = options
  if (density === 1) return keepEverything(over)
  return {
    scope: over,
    passes: searchPasses(over, inclusive),
    table: largestSearchBytes(1),
    start({ kernels, elements, tables }) {
      const keeps = [Math.floor(density * elements) + (inclusive ? 1 : 0)]
      const searches = tables.map((table) =>
        createSelectionSearch(kernels, table, { over, keeps, inclusive }),
      )
      return {
        scan(pass, spec, regions, _from, count) {
          searches.forEach((search, i) => search.scan(pass, spec, regions[i]!, count))
        },
        endPass: (pass) => searches.forEach((search) => search.endPass(pass)),
        value: () => searches.map((search) => search.value()[0]!),
      }
    },
  }
}

function keepEverything(scope: Over): Statistic<readonly Selection[]> {
  return {
    scope,
    passes: 0,
    start({ inputs }) {
      const selections = Array.from({ length: inputs }, () => all)
      return { scan() {}, endPass() {}, value: () => selections }
    },
  }
}
