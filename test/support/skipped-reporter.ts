import type { Reporter, TestModule } from 'vitest/node';

/** Ends a run with the tests that were skipped, by their titles, which say what to install. */
export class SkippedReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped = modules.flatMap((module) => [...module.children.allTests('skipped')]);
    if (skipped.length > 0) console.log(`Skipped:\n${skipped.map((test) => `  ${test.fullName}\n`).join('')}`);
  }
}
