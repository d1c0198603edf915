# SPDX-License-Identifier: LGPL-2.1-or-later
"""unittest with the output that meson counts: a line for each test, as the Test Anything Protocol has it."""

import sys
import unittest


class TapResult(unittest.TestResult):
    """Prints results as they come; reasons go to standard error."""

    def report(self, line, test, details=""):
        name = test.id().removeprefix("__main__.")
        print(f"{line} {self.testsRun} {name}{details}", flush=True)
        self.is_reported = True

    def startTest(self, test):
        super().startTest(test)
        self.is_reported = False

    def stopTest(self, test):
        super().stopTest(test)
        # Nothing else is called for a test some of whose parts have failed.
        if not self.is_reported:
            self.report("not ok", test)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            print(subtest, (self.failures + self.errors)[-1][1], sep="\n", file=sys.stderr)

    def addSuccess(self, test):
        self.report("ok", test)

    def addSkip(self, test, reason):
        self.report("ok", test, f" # SKIP {reason}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.report("not ok", test)
        print(self.failures[-1][1], file=sys.stderr)

    def addError(self, test, err):
        super().addError(test, err)
        self.report("not ok", test)
        print(self.errors[-1][1], file=sys.stderr)


def main():
    """Runs the tests of the main module and ends the program."""
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    print(f"1..{suite.countTestCases()}")
    sys.exit(not suite.run(TapResult()).wasSuccessful())
