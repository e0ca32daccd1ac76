import assert from 'node:assert/strict'
import {
  bestOf,
  type Board,
  compareOnBoard,
  rank,
  scoreOf,
  tieGroups,
} from '../../src/evaluation/leaderboard.ts'
import type { ScoreRecord } from '../../src/evaluation/score.ts'
import type { SuiteFrame } from '../../src/evaluation/suite-frame.ts'
import { createRandom } from '../../src/random.ts'
import { claim, suiteId, variantId } from './score-records.ts'

const suite: SuiteFrame = { id: suiteId, metric: 'loss', targets: [[1, 1], [3]] }

describe('rank', () => {
  it('orders variants by their target-weighted mean and equal ones by id', () => {
    const board = rank({
      suite,
      records: [
        ...both('v', ['a', 'b'], [[1, 2], [3]]),
        ...both('w', ['a', 'c'], [[0, 0], [4]]),
        ...both('x', ['b', 'c'], [[0, 0], [3]]),
      ],
    })
    const [second, third] = variantId('v').toString() < variantId('w').toString() ? 'vw' : 'wv'
    assert.deepEqual(rows(board), [
      [1, 'x', 9 / 5],
      [2, second, 12 / 5],
      [3, third, 12 / 5],
    ])
    assert.deepEqual(board.pending, [])
    assert.deepEqual(
      [...board.standings[0]!.measurers],
      [
        ['b', 2],
        ['c', 2],
      ],
    )
  })

  it('takes the mean of two measurers and the median of three', () => {
    const two = [...both('v', ['a'], [[1, 1], [1]]), ...both('v', ['b'], [[2, 1], [3]])]
    assert.deepEqual([...rank({ suite, records: two }).standings[0]!.losses], [1.5, 1, 2])
    const three = [...two, ...both('v', ['liar'], [[0, 0], [2000]])]
    assert.deepEqual([...rank({ suite, records: three }).standings[0]!.losses], [1, 1, 3])
  })

  it('gives no place before every shard has enough measurers', () => {
    const records = [
      ...both('v', ['a', 'b'], [[1, 1], [1]]).slice(0, -1),
      ...both('w', ['a', 'b'], [[2, 2], [2]]),
    ]
    const board = rank({ suite, records })
    assert.deepEqual(rows(board), [[1, 'w', 2]])
    assert.deepEqual(
      board.pending.map(({ shards, loss }) => [shards, loss]),
      [[1, 1]],
    )
    assert.deepEqual([...board.pending[0]!.losses], [1, 1, Number.NaN])
    assert.deepEqual(rows(rank({ suite, records, minShards: 1 })), [
      [1, 'v', 1],
      [2, 'w', 2],
    ])
    assert.deepEqual(rows(rank({ suite, records, minMeasurers: 1 })), [
      [1, 'v', 1],
      [2, 'w', 2],
    ])
  })

  it('ignores other suites, wrong lengths, negative losses and withdrawn records', () => {
    const sound = both('v', ['a', 'b'], [[1, 1], [1]])
    const records = [
      ...sound,
      claim({ variant: 'v', author: 'c', losses: [0, 0, 0] }),
      claim({ variant: 'v', author: 'd', losses: [-2000, 0] }),
      claim({ variant: 'v', author: 'e', losses: [0], shard: 7 }),
      claim({ variant: 'w', author: 'a', losses: [0, 0], suite: variantId('other') }),
      claim({ variant: 'v', author: 'b', losses: [], seq: 2, shard: 1 }),
    ]
    assert.deepEqual(rows(rank({ suite, records: records.slice(0, -1) })), [[1, 'v', 1]])
    assert.deepEqual(rows(rank({ suite, records })), [])
  })

  it('puts a loss that is not finite last', () => {
    const records = [
      ...both('v', ['a', 'b'], [[Number.NaN, 1], [1]]),
      ...both('w', ['a', 'b'], [[9, 9], [9]]),
    ]
    assert.deepEqual(rows(rank({ suite, records })), [
      [1, 'w', 9],
      [2, 'v', Infinity],
    ])
  })

  it('ranks accuracy by wrong answers', () => {
    const records = [...right('v', [[1, 0], [1]]), ...right('w', [[1, 1], [1]])]
    const board = rank({ suite: { ...suite, metric: 'accuracy', targets: [[1, 1], [1]] }, records })
    assert.deepEqual(rows(board), [
      [1, 'w', 0],
      [2, 'v', 1 / 3],
    ])
  })

  it('lists who contradicts themselves and does not count them', () => {
    const records = [
      ...both('v', ['a', 'b', 'c'], [[1, 1], [1]]),
      claim({ variant: 'v', author: 'c', losses: [0, 0] }),
    ]
    const board = rank({ suite, records })
    assert.deepEqual(
      board.equivocations.map(({ author }) => author),
      ['c'],
    )
    assert.deepEqual(
      [...board.standings[0]!.measurers],
      [
        ['a', 2],
        ['b', 2],
        ['c', 1],
      ],
    )
  })
})

describe('a board of 1,200 items', () => {
  const targets = Array.from({ length: 40 }, () => Array<number>(30).fill(1))
  const noise = createRandom('items')
  const difficulty = targets.map((shard) => shard.map(() => 2 + 0.3 * noise.normal()))
  const shifted = (variant: string, shift: number, spread: number): ScoreRecord[] => {
    const random = createRandom('variant', variant)
    const losses = difficulty.map((shard) =>
      shard.map((loss) => loss + shift + spread * random.normal()),
    )
    return both(variant, ['a', 'b'], losses)
  }
  const board = rank({
    suite: { id: suiteId, metric: 'loss', targets },
    records: [
      ...shifted('base', 0.5, 0.2),
      ...shifted('post', 0, 0),
      ...shifted('same', 0, 0),
      ...shifted('close', 0.004, 0.05),
      ...shifted('worse', 0.2, 0.1),
      ...shifted('better', -0.1, 0.1),
      ...shifted('noisy', 0.02, 0.3),
    ],
  })
  const classOf = (variant: string): string | undefined =>
    compareOnBoard(board, {
      variant: variantId(variant),
      reference: variantId('post'),
      base: variantId('base'),
    })?.class

  it('classifies by the paired difference and the margin of a twentieth of the gain', () => {
    const compared = compareOnBoard(board, {
      variant: variantId('worse'),
      reference: variantId('post'),
      base: variantId('base'),
    })
    assert.ok(Math.abs(compared!.difference - 0.2) < 0.02)
    assert.ok(Math.abs(compared!.margin - 0.025) < 0.002)
    assert.equal(compared!.items, 1200)
    assert.equal(classOf('worse'), 'decreased')
    assert.equal(classOf('better'), 'improved')
    assert.equal(classOf('close'), 'competitive')
    assert.equal(classOf('noisy'), 'undecided')
  })

  it('calls a null edit competitive, without any width', () => {
    const compared = compareOnBoard(board, {
      variant: variantId('same'),
      reference: variantId('post'),
    })
    assert.deepEqual(
      [compared!.difference, compared!.interval95, compared!.margin, compared!.class],
      [0, { lower: 0, upper: 0 }, 0.005, 'competitive'],
    )
  })

  it('groups what the items cannot tell apart', () => {
    const names = new Map(
      ['base', 'post', 'same', 'close', 'worse', 'better', 'noisy'].map((name) => [
        variantId(name).toString(),
        name,
      ]),
    )
    const groups = tieGroups(board).map((group) =>
      group.map(({ variant }) => names.get(variant.toString())!).toSorted(),
    )
    assert.deepEqual(groups[0], ['better'])
    assert.ok(groups[1]!.includes('post') && groups[1]!.includes('same'))
    assert.deepEqual(groups.at(-1), ['base'])
  })

  it('names the best of some variants once all of them have a place', () => {
    const ids = ['post', 'worse', 'base'].map(variantId)
    assert.equal(bestOf(board, ids)?.toString(), variantId('post').toString())
    assert.equal(bestOf(board, [...ids, variantId('unknown')]), undefined)
    assert.equal(scoreOf(board, variantId('unknown')), undefined)
  })

  it('compares two variants in less than 100 ms', () => {
    const started = performance.now()
    classOf('worse')
    assert.ok(performance.now() - started < 100)
  })
})

/** One record per author and shard. */
function both(
  variant: string,
  authors: readonly string[],
  shards: readonly (readonly number[])[],
): ScoreRecord[] {
  return authors.flatMap((author) =>
    shards.map((losses, shard) => claim({ variant, author, shard, losses })),
  )
}

function rows(board: Board): [number, string, number][] {
  const names = new Map(['v', 'w', 'x'].map((name) => [variantId(name).toString(), name]))
  return board.standings.map(({ rank, variant, loss }) => [
    rank,
    names.get(variant.toString())!,
    loss,
  ])
}

/** As `both` for two authors, with 1 for a right answer. */
function right(variant: string, shards: readonly (readonly number[])[]): ScoreRecord[] {
  return both(variant, ['a', 'b'], shards).map((record) => ({
    ...record,
    values: shards[record.shard]!,
  }))
}
