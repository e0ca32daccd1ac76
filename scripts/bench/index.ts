import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { measure } from './child.ts'
import { type Bench, type Figure, median } from './figure.ts'
import { markdownTable } from './markdown-table.ts'

/**
 * `npm run bench [-- NAME… --quick]`: runs the named benches, or all, one after the other and each in
 * a process of its own; prints what they found beside the targets and writes it with all samples to
 * `docs/bench/NAME.json`, from which `docs/bench/README.md` is made, and what else a bench writes to
 * `docs/`. A quick run writes nothing.
 */

const benches = ['kernels', 'svd', 'merge', 'publish', 'raw-size', 'codecs', 'exchange'] as const

/** One file of `docs/bench`. */
interface Report extends Omit<Bench, 'documents'> {
  readonly name: string
  readonly date: string
  readonly commit: string
  readonly node: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGb: number
  /** Processes that wanted to run in the last minute, ours among them: above `cores` they waited. */
  readonly load: number
  /** Of the process that ran the bench; those it started have figures of their own. */
  readonly peakRssMb: number
}

const folder = fileURLToPath(new URL('../../docs/bench/', import.meta.url))

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false } },
})
for (const name of positionals.length > 0 ? positionals : benches) {
  const args = [name, ...(values.quick ? ['--quick'] : [])]
  const { documents = {}, ...measured } = await measure<Bench & { peakRssMb: number }>(
    'process.ts',
    args,
  )
  const report: Report = { name, ...machine(), load: loadavg()[0]!, ...measured }
  process.stdout.write(`\n${name}: ${report.note}\n\n${table(report.figures)}\n`)
  if (values.quick) continue
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}${name}.json`, `${JSON.stringify(report, null, 2)}\n`)
  writeFileSync(`${folder}README.md`, readme(readReports()))
  for (const [file, text] of Object.entries(documents)) {
    writeFileSync(`${folder}../${file}`, text)
  }
}

function machine() {
  return {
    date: new Date().toISOString(),
    commit: commit(),
    node: process.version,
    cpu: cpus()[0]!.model.trim(),
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 1e9),
  }
}

/** The commit that was measured, with `+` when the tree had changes besides. */
function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' }).trim()
  try {
    const changed = git('status', '--porcelain', '--', ':/', ':!/docs/bench') !== ''
    return `${git('rev-parse', 'HEAD')}${changed ? '+' : ''}`
  } catch {
    return 'unknown'
  }
}

function readReports(): Report[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .map((name) => JSON.parse(readFileSync(`${folder}${name}`, 'utf8')) as Report)
}

function readme(reports: readonly Report[]): string {
  const sections = reports.map(
    (report) =>
      `## ${report.name}\n\n${report.note}\n\n${table(report.figures)}\n\n` +
      `${report.cpu}, ${report.cores} cores, ${report.memoryGb} GB, Node ${report.node}, ` +
      `load ${report.load.toFixed(1)}, ${report.date.slice(0, 10)}, commit ${report.commit.slice(0, 12)}` +
      `${report.commit.endsWith('+') ? ' with changes' : ''}.\n`,
  )
  return (
    '# Measurements\n\n' +
    'Written by `npm run bench` from the JSON files beside it, which hold every sample. `×` is a ' +
    'speed as a multiple of the baseline’s in the same run, the median of pairs: absolute times of ' +
    'a shared machine mean little. Where the load is above the number of cores, work that waits ' +
    'for the disk or uses two threads looks slower than it is; core seconds are disturbed least.\n\n' +
    sections.join('\n')
  )
}

function table(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const { what, value, unit, target } = figure
    return [
      what,
      `${format(value)} ${unit}`,
      target === undefined ? '' : `${target.is} ${format(target.value)} ${unit}`,
      target === undefined ? '' : isMet(value, target) ? 'met' : '**missed**',
      coreSeconds(figure),
    ]
  })
  return markdownTable([['what', 'measured', 'target', '', 'core seconds (baseline)'], ...rows])
}

function coreSeconds({ cpuSeconds, baselineCpuSeconds }: Figure): string {
  if (cpuSeconds === undefined || baselineCpuSeconds === undefined) return ''
  return `${format(median(cpuSeconds))} (${format(median(baselineCpuSeconds))})`
}

function isMet(value: number, target: NonNullable<Figure['target']>): boolean {
  return target.is === 'at least' ? value >= target.value : value <= target.value
}

function format(value: number): string {
  return value >= 20 ? value.toFixed(0) : value >= 0.1 ? value.toFixed(2) : value.toPrecision(2)
}
