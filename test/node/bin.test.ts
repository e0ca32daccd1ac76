import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const bin = fileURLToPath(new URL('../../node/cli/bin.js', import.meta.url))

/** Runs the bin file in a Node that says it is something else. */
function runAs(pretence: string, ...args: string[]) {
  const preload = `data:text/javascript,${encodeURIComponent(pretence)}`
  return spawnSync(process.execPath, ['--import', preload, bin, ...args], { encoding: 'utf8' })
}

const oldNode = `Object.defineProperty(process.versions, 'node', { value: '20.20.2' });`
const otherMachine = `Object.defineProperty(process, 'arch', { value: 'riscv64' });`

describe('the bin file', () => {
  it('runs as it is on a Node that is new enough', () => {
    const { status, stdout } = runAs('', '--help')
    assert.equal(status, 0)
    assert.match(stdout, /Usage: deltaswarm/)
  })

  it('runs the bundled runtime on an older Node, with its arguments and its exit code', () => {
    const help = runAs(oldNode, 'publish', '--help')
    assert.equal(help.status, 0)
    assert.match(help.stdout, /Usage: deltaswarm publish/)
    assert.equal(runAs(oldNode, 'publish', '--no-such-flag').status, 2)
  })

  it('runs sources, which say what Node 22 cannot read, with Node 24', () => {
    const node22 = `Object.defineProperty(process.versions, 'node', { value: '22.18.0' });`
    const { status, stderr } = runAs(`${node22} ${otherMachine}`, 'demo')
    assert.equal(status, 1)
    assert.match(stderr, /^deltaswarm needs Node 24\.0 or newer, this is 22\.18\.0 and no runtime/)
  })

  it('says one sentence where no runtime is bundled for the platform', () => {
    const { status, stdout, stderr } = runAs(`${oldNode} ${otherMachine}`, 'demo')
    assert.equal(status, 1)
    assert.equal(stdout, '')
    assert.match(stderr, /^deltaswarm needs Node 24\.0 or newer, this is 20\.20\.2 and no runtime/)
    assert.equal(stderr.trim().split('\n').length, 1)
  })
})
