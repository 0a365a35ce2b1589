import Messages
import Testing

@Suite struct StatusCodeTests {
    @Test func namesAreThoseOfGoogleRPC() {
        #expect(
            StatusCode.allCases.map(\.name) == [
                "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
                "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
                "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
            ])
        #expect(StatusCode.allCases.map(\.rawValue) == Array(0...16))
        #expect(StatusCode(name: "NOT_FOUND") == .notFound)
        #expect(StatusCode(name: "not found") == nil)
    }

    @Test func faultsOfTheRequestArePermanentAndFaultsOfTheWorkerAreRetried() {
        for code in [StatusCode.invalidArgument, .failedPrecondition, .notFound] {
            #expect(code.isPermanent && !code.isRetryable)
        }
        for code in [StatusCode.unavailable, .internal, .resourceExhausted] {
            #expect(!code.isPermanent && code.isRetryable)
        }
        for code in [StatusCode.ok, .cancelled, .deadlineExceeded] {
            #expect(!code.isPermanent && !code.isRetryable)
        }
    }

    @Test func jobIDsAreShortVisibleASCII() {
        #expect(Wire.isJobID("9b2f-1"))
        #expect(!Wire.isJobID(""))
        #expect(!Wire.isJobID("a b"))
        #expect(!Wire.isJobID("é"))
        #expect(Wire.isJobID(String(repeating: "a", count: 128)))
        #expect(!Wire.isJobID(String(repeating: "a", count: 129)))
    }

    @Test func theSeedOfAJobDependsOnItsIDAloneAndFitsThirtyTwoBits() {
        // FNV-1a of "a" is af63dc4c8601ec8c (the algorithm's published test vectors); folded: af63dc4c ^ 8601ec8c.
        #expect(PersonalizeRequest.seed(forJob: "a") == 0x2962_30C0)
        #expect(PersonalizeRequest.seed(forJob: "b") != PersonalizeRequest.seed(forJob: "a"))
    }
}
