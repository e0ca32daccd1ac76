#!/usr/bin/env -S node --max-semi-space-size=2
// Plain JavaScript for any Node: checks the version, and where it is too old runs the same command
// with the runtime that the repository brings along. Everything else is in main.ts. The young
// generation is small as that of a daemon (program.ts): buffers of blocks would pile up in a large one.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const own = dirname(fileURLToPath(import.meta.url))

// Node does not strip types inside node_modules, so the published package runs its compiled form.
const compiled = join(own, '../../dist/node/cli/main.js')
const isCompiled = existsSync(compiled) && own.includes('node_modules')
const main = isCompiled ? compiled : join(own, 'main.ts')
// The sources say `await using`, which the compiler spells out for Nodes that cannot read it.
const NEEDED = isCompiled ? [22, 18] : [24, 0]

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])) {
  const { run } = await import(main)
  await run(process.argv.slice(2))
} else {
  const runtime = bundledRuntime()
  if (runtime === undefined) {
    process.stderr.write(
      `deltaswarm needs Node ${NEEDED.join('.')} or newer, this is ${process.versions.node} and no runtime for ` +
        `${process.platform}-${process.arch} is bundled: install Node 24 and run the command again\n`,
    )
    process.exit(1)
  }
  const program = ['--max-semi-space-size=2', fileURLToPath(import.meta.url)]
  const child = spawn(runtime, [...program, ...process.argv.slice(2)], { stdio: 'inherit' })
  // A terminal sends the signal to both; a parent that kills only this process must reach the child.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal))
  }
  child.on('error', (error) => {
    process.stderr.write(`the bundled runtime ${runtime} does not start: ${error.message}\n`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

/** The Node that `scripts/runtime` brings as an ordinary package, where there is one. */
function bundledRuntime() {
  const platform = process.platform === 'win32' ? 'win' : process.platform
  const name = `node-${platform}-${process.arch}`
  const file = process.platform === 'win32' ? 'bin/node.exe' : 'bin/node'
  try {
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`)
    const path = join(dirname(manifest), file)
    return existsSync(path) ? path : undefined
  } catch {
    return undefined
  }
}
