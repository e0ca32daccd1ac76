import { shortId } from '../../../src/index.ts'
import { type DemoDocument, runDemo } from '../../demo/demo.ts'
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
    const document = await runDemo({
      keep,
      signal,
      now: () => performance.now(),
      onStep: (text, seconds) => output.note(`✓ ${text}  ${seconds.toFixed(1)} s`),
    })
    if (output.mode === 'json') output.line(JSON.stringify(document))
    else if (output.mode === 'quiet') output.line(document.champion)
    else print(document, output, keep)
    return 0
  },
}

function print(document: DemoDocument, output: Output, keep: boolean): void {
  const { variants, champion, verdict, nodes, timings } = document
  const names = new Map(variants.map(({ id, name, recipe }) => [id, name || recipe]))
  output.table(
    ['variant', 'fetched', 'bpw', 'loss', 'difference', '95 % interval', 'class', 'against', 'by'],
    variants.map((row) => [
      `${row.id === champion ? '★ ' : ''}${row.name || row.recipe}`,
      formatBytes(row.closureBytes),
      row.bpw.toFixed(2),
      row.loss.toFixed(4),
      row.difference === null ? '–' : formatNats(row.difference),
      row.ci === null ? '–' : `[${formatNats(row.ci[0])}, ${formatNats(row.ci[1])}]`,
      row.class ?? '–',
      row.reference === null ? '–' : (names.get(row.reference) ?? shortId(row.reference)),
      String(row.measurers.length),
    ]),
  )
  output.line(verdict.text)
  const roots = new Set(nodes.map(({ viewRoot }) => viewRoot))
  output.line(
    roots.size === 1
      ? `All ${nodes.length} nodes hold the same ${nodes[0]!.records} records (view ${nodes[0]!.viewRoot.slice(0, 16)}).`
      : `The nodes' views differ: ${[...roots].map((root) => root.slice(0, 16)).join(', ')}.`,
  )
  output.note(
    `${timings['total']!.toFixed(1)} s in all; losses in nats per image, 0 differences are ties`,
  )
  if (keep) {
    for (const { home } of nodes) output.note(`still up: deltaswarm status --home ${home}`)
    output.note('stop each with: deltaswarm down --home DIR')
  } else {
    output.note('next: deltaswarm publish <your-finetune> --base <its-base> -n <name>')
  }
}
