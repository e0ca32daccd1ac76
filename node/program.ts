import { fileURLToPath } from 'node:url'

/**
 * Files of the package that are not code: beside the sources in the repository, and from the
 * compiled files in `dist/node/` two folders up and down again.
 */
const folder = new URL(import.meta.url.endsWith('.ts') ? './' : '../../node/', import.meta.url)

/** The bin file, which runs on any Node. */
export const binFile = fileURLToPath(new URL('cli/bin.js', folder))

/** Models and images of the demo. */
export const demoData = fileURLToPath(new URL('demo/data/', folder))

/**
 * How a node process is started. Blocks and records are short-lived garbage, so a small young
 * generation keeps the process small, idle and during a fetch of any size.
 */
export const daemonFlags = ['--max-semi-space-size=2'] as const
