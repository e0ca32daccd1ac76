import assert from 'node:assert/strict'
import { verb as data } from '../../node/cli/verbs/data.ts'
import { verb as edit } from '../../node/cli/verbs/edit.ts'
import { verb as evaluate } from '../../node/cli/verbs/evaluate.ts'
import { verb as ls } from '../../node/cli/verbs/ls.ts'
import { verb as publish } from '../../node/cli/verbs/publish.ts'
import { readConfig } from '../../node/config.ts'
import { describeError } from '../../node/errors.ts'
import type { JobOptions } from '../../node/job-options.ts'
import { runJob } from '../../node/jobs.ts'
import { createNode } from '../../node/node.ts'
import { demoPath, openWorkplace } from './cli/command.ts'

const options: JobOptions = { signal: new AbortController().signal, onProgress: () => {} }

describe('a node without onnxruntime', () => {
  it('says so when it is asked to measure, and does everything else', async () => {
    const place = await openWorkplace()
    const node = await createNode(readConfig({ home: place.path('home') }), {
      online: 'never',
      runtimeModule: place.path('no-onnxruntime.js'),
    })
    try {
      await runJob(
        publish,
        node,
        {
          post: demoPath('digits-light'),
          base: demoPath('base'),
          name: 'digits',
          codec: { id: 'raw', parameters: {} },
          edits: [],
          licence: 'NOASSERTION',
        },
        options,
      )
      await runJob(
        data,
        node,
        {
          action: 'add',
          paths: [demoPath('eval/digits.safetensors')],
          name: 'holdout',
          metric: 'loss',
          split: [],
          mean: 0.5,
          deviation: 0.5,
          labelOffset: 0,
          licence: 'NOASSERTION',
        },
        options,
      )
      const request = { refs: ['digits'], data: 'holdout', copies: 2 }
      for (const attempt of ['first', 'second']) {
        await assert.rejects(runJob(evaluate, node, request, options), (error) => {
          const { id, exit, fix } = describeError(error)
          assert.deepEqual([id, exit], ['E_ONNXRUNTIME', 1], attempt)
          assert.ok(fix.length > 0)
          return true
        })
      }
      const scale = { id: 'scale', parameters: { alpha: 0.5 } }
      const edited = await runJob(
        edit,
        node,
        { ref: 'digits', edits: [scale], name: 'half', mode: 'paper' },
        options,
      )
      const { items } = await runJob(ls, node, {}, options)
      assert.ok(items.some(({ id }) => id === edited.id))
      assert.deepEqual(
        await node.store.records.scores((await node.suites.open('holdout', options)).id),
        [],
      )
    } finally {
      await node.stop()
      await place.remove()
    }
  })
})
