import { shortId } from '../../../src/index.ts'
import { type DemoOutcome, runDemo } from '../../demo/demo.ts'
import { formatBytes, formatNats, type Output } from '../output.ts'
import type { HereVerb } from './index.ts'

export const verb: HereVerb = {
  id: 'demo',
  group: 'start',
  summary: 'three nodes exchange, merge, measure and search really trained fine-tunes, offline',
  options: [{ flags: '--keep', about: 'leave the nodes running' }],
  examples: ['deltaswarm demo', 'deltaswarm demo --json'],
  async here({ options }, { output, signal }) {
    const keep = options['keep'] === true
    const outcome = await runDemo({
      keep,
      signal,
      now: () => performance.now(),
      onStep: (text, seconds) => output.note(`✓ ${text}  ${seconds.toFixed(1)} s`),
    })
    if (output.mode === 'json') output.line(JSON.stringify(outcome.document))
    else if (output.mode === 'quiet') output.line(outcome.document.champion)
    else print(outcome, output, keep)
    return 0
  },
}

function print({ document, standings, verdict }: DemoOutcome, output: Output, keep: boolean): void {
  const { variants, champion, nodes, timings } = document
  const called = new Map(standings.map(({ id, name, recipe }) => [id, name || recipe]))
  output.table(
    ['variant', 'fetched', 'bpw', 'loss', 'difference', '95 % interval', 'class', 'against', 'by'],
    variants.map(({ id, closureBytes, bpw, difference, ci, reference, ...row }, i) => [
      `${id === champion ? '★ ' : ''}${called.get(id) ?? shortId(id)}`,
      formatBytes(closureBytes),
      bpw.toFixed(2),
      standings[i]!.loss.toFixed(4),
      difference === null ? '–' : formatNats(difference),
      ci === null ? '–' : `[${formatNats(ci[0])}, ${formatNats(ci[1])}]`,
      row.class ?? '–',
      reference === null ? '–' : (called.get(reference) ?? shortId(reference)),
      String(row.measurers.length),
    ]),
  )
  const winner = standings.find(({ id }) => id === champion)
  output.line(`★ ${winner?.recipe ?? shortId(champion)}`)
  output.line(verdict)
  const roots = new Set(nodes.map(({ viewRoot }) => viewRoot))
  output.line(
    roots.size === 1
      ? `All ${nodes.length} nodes hold the same ${nodes[0]!.records} records (view ${nodes[0]!.viewRoot.slice(0, 16)}).`
      : `The nodes' views differ: ${[...roots].map((root) => root.slice(0, 16)).join(', ')}.`,
  )
  output.note(`${timings['total']!.toFixed(1)} s in all; losses in nats per image`)
  if (keep) {
    for (const { home } of nodes) output.note(`still up: deltaswarm status --home ${home}`)
    output.note('stop each with: deltaswarm down --home DIR')
  } else {
    output.note('next: deltaswarm publish <your-finetune> --base <its-base> -n <name>')
  }
}
