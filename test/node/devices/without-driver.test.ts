import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { verb as edit } from '../../../node/cli/verbs/edit.ts'
import { verb as exportVerb } from '../../../node/cli/verbs/export.ts'
import type { JobVerb, Parsed } from '../../../node/cli/verbs/index.ts'
import { verb as publish } from '../../../node/cli/verbs/publish.ts'
import { readConfig } from '../../../node/config.ts'
import type { JobOptions } from '../../../node/job-options.ts'
import { runJob } from '../../../node/jobs.ts'
import { createNode } from '../../../node/node.ts'
import { demoPath, openWorkplace, type Ran, start, type Workplace } from '../cli/command.ts'

/** A machine without a graphics driver, whatever this one has. */
const env = { VK_ICD_FILENAMES: '/no/driver', VK_DRIVER_FILES: '/no/driver' }

describe('a machine without a graphics driver', function () {
  this.timeout(60_000)
  let place: Workplace
  before(async () => {
    place = await openWorkplace()
  })
  after(() => place.remove())

  const run = (device: string, ...argv: string[]): Promise<Ran> =>
    start([...argv, '--home', place.path(device)], {
      env: { ...env, DELTASWARM_DEVICE: device },
    }).ended

  it('computes on the CPU and says why in one line', async () => {
    const report = (await run('auto', 'doctor', 'engine', '--json')).json()
    assert.match(String(report['choice']), /^cpu \(webgpu: [^;:]+; cuda: [^;]+\)$/)
    assert.match(String(report['choice']), /webgpu: No supported adapters;/)
  })

  it('says of a device that is wished for that it is missing', async () => {
    const { code, stdout, stderr } = await run('webgpu', 'doctor', 'engine')
    assert.equal(code, 1)
    assert.match(stdout, /^webgpu\tno: No supported adapters\t/m)
    assert.match(stdout, /^engine webgpu does not work here: No supported adapters$/m)
    assert.match(stderr, /kernels compute what they should/)
  })

  it('publishes, edits and exports the same bytes, for no device has a part in them', async () => {
    const exported = []
    for (const device of ['cpu', 'webgpu']) {
      const home = place.path(`${device}-home`)
      await using node = await createNode(readConfig({ home, device }), { online: 'never' })
      const jobs: readonly [JobVerb, Parsed][] = [
        [publish as JobVerb, { args: [demoPath('kana-light')], options: published }],
        [edit as JobVerb, { args: ['kana', ['trim=density:0.3']], options: { name: 'thin' } }],
        [exportVerb as JobVerb, { args: ['thin'], options: { to: 'hf', out: `${home}-out` } }],
      ]
      for (const [verb, parsed] of jobs) await runJob(verb, node, verb.parse(parsed), options)
      assert.equal(node.engine.device, undefined, 'a device was chosen')
      const names = (await readdir(`${home}-out`)).toSorted()
      exported.push(await Promise.all(names.map((name) => readFile(join(`${home}-out`, name)))))
    }
    assert.deepEqual(exported[0], exported[1])
  })
})

const options: JobOptions = { signal: new AbortController().signal, onProgress: () => {} }

const published = { base: demoPath('base'), name: 'kana', codec: 'raw', license: 'NOASSERTION' }
