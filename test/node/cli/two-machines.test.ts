import assert from 'node:assert/strict'
import { mkdir, readFile, symlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { openFolder } from '../../../src/checkpoints/folder.ts'
import { weightsId } from '../../../src/checkpoints/weights-id.ts'
import { demoPath, openWorkplace, type Ran, start, type Workplace } from './command.ts'

/**
 * The commands of the README, typed as they stand there into two homes: only the addresses are
 * replaced, and `./base`, `./math` and `./code` are links to models that the demo brings.
 */
describe('the two machines of the README #slow', function () {
  this.timeout(120_000)
  let place: Workplace
  let machines: readonly { home: string; cwd: string; lines: readonly string[] }[]
  const said: Ran[] = []

  before(async () => {
    place = await openWorkplace()
    const readme = await readFile(new URL('../../../README.md', import.meta.url), 'utf8')
    const section = /\n## Two machines\n([\s\S]*?)\n## /.exec(readme)?.[1] ?? ''
    const blocks = [...section.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1]!)
    machines = blocks.map((block, i) => ({
      home: place.path(`home-${i}`),
      cwd: place.path(`machine-${i}`),
      lines: block.split('\n').filter((line) => line.startsWith('deltaswarm ')),
    }))
    const models = { base: 'base', math: 'digits-light', code: 'fashion-light' }
    for (const [i, { cwd }] of machines.entries()) {
      await mkdir(cwd)
      for (const [name, model] of Object.entries(models)) {
        // The second machine has nothing but the base.
        if (i === 0 || name === 'base') await symlink(demoPath(model), `${cwd}/${name}`)
      }
    }
  })
  after(async () => {
    for (const { home } of machines) await start(['down', '--home', home]).ended
    await place.remove()
  })

  it('are two, with four commands each', () => {
    assert.deepEqual(
      machines.map(({ lines }) => lines.length),
      [4, 4],
    )
  })

  it('do what they say', async () => {
    const port = await freePort()
    for (const { home, cwd, lines } of machines) {
      for (const line of lines) {
        const words = line
          .replaceAll(/\/ip4\/[\d.]+\/tcp\/\d+(\/p2p\/\w+…?)?/g, `/ip4/127.0.0.1/tcp/${port}`)
          .split(/\s+/)
          .slice(1)
        const ran = await start([...words, '--home', home], { cwd }).ended
        assert.equal(ran.code, 0, `${line}: ${ran.stderr}`)
        said.push(ran)
      }
    }
    const fetched = said[5]!
    assert.match(fetched.stdout, /^math {2}.* received, verified$/m)
    assert.equal(said[7]!.lines.at(-1), `${machines[1]!.cwd}/mix`)
  })

  it('leave a folder with every tensor and the configuration of the base', async () => {
    const out = `${machines[1]!.cwd}/mix`
    assert.deepEqual(
      await readFile(`${out}/config.json`),
      await readFile(`${demoPath('base')}/config.json`),
    )
    const [mix, base] = [await openFolder(out), await openFolder(demoPath('base'))]
    assert.deepEqual(mix.checkpoint.tensors, base.checkpoint.tensors)
    const ids = [await weightsId(mix.checkpoint), await weightsId(base.checkpoint)]
    assert.notEqual(ids[0]!.id.toString(), ids[1]!.id.toString())
    await mix.close()
    await base.close()
  })

  it('give back the bytes of a fine-tune that was published exactly', async () => {
    const { home, cwd } = machines[1]!
    const ran = await start(['export', 'math', '--to', 'hf', '-o', './math', '--home', home], {
      cwd,
    }).ended
    assert.equal(ran.code, 0, ran.stderr)
    const [back, fine] = [
      await openFolder(`${cwd}/math`),
      await openFolder(demoPath('digits-light')),
    ]
    assert.equal(
      (await weightsId(back.checkpoint)).id.toString(),
      (await weightsId(fine.checkpoint)).id.toString(),
    )
    await back.close()
    await fine.close()
  })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  server.close()
  await once(server, 'close')
  return address.port
}
