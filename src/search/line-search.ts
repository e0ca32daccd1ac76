import { createRandom, type Random } from '../random.ts'
import { recipeId } from '../recipes/canonical-recipe.ts'
import type { Recipe } from '../recipes/recipe.ts'
import type { SearchState, Strategy } from './index.ts'
import { type Line, linesOf } from './moves/lines.ts'
import { normalised } from './moves/normalised.ts'
import { shuffled } from './moves/shuffled.ts'

/** Steps of a line from end to end at most: a dozen measurements narrow 64 of them down to one. */
const MOST_STEPS = 64

/** A gap is cut between these shares of it, the golden section and its mirror image. */
const [FIRST_CUT, LAST_CUT] = [0.382, 0.618]

/** Digits that a proposed number keeps: people read recipes. */
const DIGITS = 6

/**
 * Golden-section search (Kiefer, 1953) along one number of the champion, with forward passes alone:
 * DAREx's q, EXPO's alpha. Where the loss has one valley on a line, its bottom lies between the points
 * next to the champion that were tried, for all of them came out worse; so proposals cut the widest
 * gap between those until no step is left, and go on with another number. Seeds choose the order of
 * the numbers and where a gap is cut, so that nodes side by side measure different points.
 */
export const strategy: Strategy = {
  id: 'line-search',
  about: 'narrows down one number of the champion at a time',
  reference: 'https://doi.org/10.1090/S0002-9939-1953-0055639-3',
  propose(state) {
    const { champion, count, seed } = state
    const seen = new Set([recipeId(champion).toString()])
    const random = createRandom('line-search', seed, ...seen)
    const proposals: Recipe[] = []
    for (const line of shuffled(linesOf(champion.root, state), random)) {
      for (const recipe of refinements(line, state, random)) {
        if (proposals.length >= count) return proposals
        const id = recipeId(recipe).toString()
        if (seen.has(id)) continue
        seen.add(id)
        proposals.push(recipe)
      }
    }
    return proposals
  },
}

/** The untried points between the champion's tried neighbours, the one in the widest gap first. */
function* refinements(line: Line, state: SearchState, random: Random): Iterable<Recipe> {
  const { min, max } = line.parameter
  const place = ((line.value - min) / (max - min)) * stepsOf(line)
  const below = bracket(line, state, Math.ceil(place) - 1, -1)
  const above = bracket(line, state, Math.floor(place) + 1, 1)
  const points = new Map([...below, ...above])
  /** Where a gap ends: at the champion, and just outside of the points that are left. */
  const ends = [Math.min(place, ...points.keys()) - 1, place, Math.max(place, ...points.keys()) + 1]
  while (points.size > 0) {
    const cut = cutWidest(ends, [...points.keys()], random)
    yield points.get(cut)!
    points.delete(cut)
    ends.push(cut)
  }
}

/** Steps from end to end; whole numbers are at least 1 apart. */
function stepsOf({ parameter: { min, max, integer = false } }: Line): number {
  return integer ? Math.min(max - min, MOST_STEPS) : MOST_STEPS
}

/** The valid points from step `from` on in one direction, up to the first that was tried. */
function bracket(
  line: Line,
  state: SearchState,
  from: number,
  direction: 1 | -1,
): [step: number, recipe: Recipe][] {
  const { min, max, integer = false } = line.parameter
  const { champion, tried } = state
  const own = recipeId(champion).toString()
  const steps = stepsOf(line)
  const points: [number, Recipe][] = []
  for (let step = from; step >= 0 && step <= steps; step += direction) {
    const value = min + ((max - min) * step) / steps
    const readable = integer ? Math.round(value) : Number(value.toPrecision(DIGITS))
    const recipe = normalised({ ...champion, root: line.at(readable) }, state)
    if (recipe === undefined) continue
    const id = recipeId(recipe).toString()
    if (id === own) continue // rounded to where the line begins, which was tried but ends nothing
    if (tried.has(id)) break
    points.push([step, recipe])
  }
  return points
}

/** The point nearest to a random cut of the widest gap between `ends`. */
function cutWidest(ends: number[], points: readonly number[], random: Random): number {
  ends.sort((a, b) => a - b)
  let [left, right] = [0, 0]
  for (const [i, end] of ends.slice(1).entries()) {
    const isFilled = points.some((point) => point > ends[i]! && point < end)
    if (isFilled && end - ends[i]! > right - left) [left, right] = [ends[i]!, end]
  }
  const cut = left + (FIRST_CUT + (LAST_CUT - FIRST_CUT) * random.uniform()) * (right - left)
  const inside = points.filter((point) => point > left && point < right)
  return inside.reduce((best, point) =>
    Math.abs(point - cut) < Math.abs(best - cut) ? point : best,
  )
}
