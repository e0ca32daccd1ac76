const { reporters } = require('mocha')

/**
 * Mocha's spec reporter with a last line that machines read: `N passed, N failed`, and
 * `, N skipped` when there were any. A test skips itself with `skip(this, reason)`, which prints why.
 */
class Reporter extends reporters.Spec {
  epilogue() {
    super.epilogue()
    const { passes, failures, pending } = this.stats
    const skipped = pending > 0 ? `, ${pending} skipped` : ''
    process.stdout.write(`${passes} passed, ${failures} failed${skipped}\n`)
  }
}

module.exports = Reporter
