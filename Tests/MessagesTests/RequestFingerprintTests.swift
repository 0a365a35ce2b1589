import Foundation
import Messages
import Testing

@Suite struct RequestFingerprintTests {
    private static func request(_ pictures: [UInt8]...) -> PersonalizeRequest {
        var request = PersonalizeRequest(
            references: pictures.map { Reference(picture: .image($0)) }, prompt: "a portrait")
        request.seed = 7
        return request
    }

    @Test func whatIsAskedForCountsAndHowFarItIsDoesNot() throws {
        let request = Self.request([1, 2, 3], [4])
        var resumed = request
        resumed.resumeKey = "resume/1"
        #expect(resumed.fingerprint == request.fingerprint)
        resumed.resumeKey = nil
        resumed.resume = ResumeState(
            nextIteration: 1, offsets: [try WireTensor(shape: [1], values: [1])], losses: [1], similarities: [0],
            seed: 7, modelHash: "")
        #expect(resumed.fingerprint == request.fingerprint)
    }

    @Test func everythingElseMakesAnother() {
        let request = Self.request([1, 2, 3], [4])
        var others = [
            Self.request([1, 2, 3]), Self.request([4], [1, 2, 3]), Self.request([1, 2], [3, 4]),
            Self.request([1, 2, 3, 4], []), Self.request([1, 2, 3], [5]), request, request, request,
        ]
        others[5].prompt = "another"
        others[6].references[1].picture = .key("a")
        others[7].references[1].subject = .object
        #expect(Set((others + [request]).map(\.fingerprint)).count == others.count + 1)
    }

    /// Prints what it costs a worker per job.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["RECTIFID_MEASURE"] != nil))
    func aLargePictureTakesMilliseconds() {
        let request = Self.request((0..<10_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        let time = ContinuousClock().measure { for _ in 0..<20 { #expect(request.fingerprint != 0) } } / 20
        let encoding = ContinuousClock().measure { for _ in 0..<20 { #expect(!request.encode().isEmpty) } } / 20
        print("fingerprint of a request with 10 MB: \(time); encoding it: \(encoding)")
    }
}
