import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { doors, entryFolders, floors, importers, MAX_LINES, words } from './support/layers.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

interface Source {
  readonly path: string
  /** Without comments, so that prose about a rule does not break it. */
  readonly code: string
  readonly lines: number
  readonly imports: readonly string[]
}

const sources = ['src', 'protocol', 'node'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => /\.(ts|js)$/.test(path) && !path.includes('/assembly/'))
    .toSorted()
    .map(read),
)
const byPath = new Map(sources.map((source) => [source.path, source]))

describe('architecture', () => {
  it('sees the sources it judges', () => {
    assert.ok(sources.length > 40, `only ${sources.length} files found`)
    for (const folder of ['src/operators/', 'protocol/', 'node/cli/']) {
      assert.ok(
        sources.some(({ path }) => path.startsWith(folder)),
        `nothing in ${folder}`,
      )
    }
    assert.ok(sources.flatMap(({ imports }) => imports).length > 100)
  })

  it('imports run down the floors and to the left on one floor', () => {
    const broken = edges().filter(({ from, to }) => {
      const [upper, lower] = [placeOf(from), placeOf(to)]
      if (upper.floor !== lower.floor) return lower.floor > upper.floor
      return lower.column > upper.column
    })
    assert.deepEqual(broken.map(text), [])
  })

  it('every file stands on a floor', () => {
    assert.deepEqual(
      sources.filter(({ path }) => placeOf(path).floor < 0).map(({ path }) => path),
      [],
    )
  })

  it('outsiders come through a door', () => {
    const broken = edges().filter(({ from, to }) =>
      doors.some(
        ({ folder, door }) => to.startsWith(folder) && !from.startsWith(folder) && to !== door,
      ),
    )
    assert.deepEqual(broken.map(text), [])
  })

  it('has no import cycles', () => {
    const done = new Set<string>()
    const visit = (path: string, trail: readonly string[]): string[] => {
      if (trail.includes(path)) return [[...trail.slice(trail.indexOf(path)), path].join(' → ')]
      if (done.has(path)) return []
      const cycles = targets(path).flatMap((to) => visit(to, [...trail, path]))
      done.add(path)
      return cycles
    }
    assert.deepEqual(
      sources.flatMap(({ path }) => visit(path, [])),
      [],
    )
  })

  for (const { module, within, allowed, why } of importers) {
    it(`imports ${module.source} only where allowed: ${why}`, () => {
      const broken = sources.flatMap(({ path, imports }) =>
        within.test(path) && !allowed.test(path)
          ? imports.filter((name) => module.test(name)).map((name) => `${path} imports ${name}`)
          : [],
      )
      assert.deepEqual(broken, [])
    })
  }

  for (const { word, within, allowed, why } of words) {
    it(`uses ${word.source} only where allowed: ${why}`, () => {
      const broken = sources.filter(
        ({ path, code }) => within.test(path) && !allowed.test(path) && word.test(code),
      )
      assert.deepEqual(
        broken.map(({ path }) => path),
        [],
      )
    })
  }

  it('registry entries do not import each other', () => {
    const entryOf = (path: string): string | undefined =>
      entryFolders.find((folder) => dirname(path) + '/' === folder && !path.endsWith('/index.ts'))
    const broken = edges().filter(({ from, to }) => {
      const folder = entryOf(from)
      return folder !== undefined && entryOf(to) === folder
    })
    assert.deepEqual(broken.map(text), [])
  })

  it(`keeps files below ${MAX_LINES} lines`, () => {
    const long = sources.filter(
      ({ path, lines }) => lines > MAX_LINES && !path.endsWith('kernels-wasm.ts'),
    )
    assert.deepEqual(
      long.map(({ path, lines }) => `${path}: ${lines}`),
      [],
    )
  })

  it('exports names, never a default', () => {
    assert.deepEqual(
      sources.filter(({ code }) => /^export default/m.test(code)).map(({ path }) => path),
      [],
    )
  })
})

function read(path: string): Source {
  const text = readFileSync(join(root, path), 'utf8')
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
  const imports = [
    ...code.matchAll(/\bfrom\s+'([^']+)'/g),
    ...code.matchAll(/^import\s+'([^']+)'/gm),
    ...code.matchAll(/\bimport\('([^']+)'\)/g),
  ].map((match) => match[1]!)
  return { path, code, lines: text.split('\n').length, imports }
}

function targets(path: string): string[] {
  return byPath
    .get(path)!
    .imports.filter((name) => name.startsWith('.'))
    .map((name) => normalize(join(dirname(path), name)))
    .filter((to) => byPath.has(to))
}

function edges(): { from: string; to: string }[] {
  return sources.flatMap(({ path }) => targets(path).map((to) => ({ from: path, to })))
}

function placeOf(path: string): { floor: number; column: number } {
  const floor = floors.findIndex((columns) => columns.some((start) => path.startsWith(start)))
  const column = floors[floor]?.findIndex((start) => path.startsWith(start)) ?? -1
  return { floor, column }
}

function text({ from, to }: { from: string; to: string }): string {
  return `${from} imports ${to}`
}
