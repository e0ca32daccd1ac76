import { parseArgs } from 'node:util'
import { reply } from './child.ts'
import { type Bench, type BenchOptions, peakRssMb } from './figure.ts'

/** Runs one bench in this process; started by `index.ts`. */

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false } },
})
const { run } = (await import(`./${positionals[0]!}.ts`)) as {
  run: (options: BenchOptions) => Promise<Bench>
}
const bench = await run(values)
reply({ ...bench, peakRssMb: peakRssMb() })
