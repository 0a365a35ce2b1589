import Messages
import Testing

@Suite struct RoundTripTests {
    private func expectRoundTrips<M: WireMessage>(_ make: (inout SeededGenerator) throws -> M) throws {
        var generator = SeededGenerator(seed: 20_240_601)
        for _ in 0..<500 {
            let message = try make(&generator)
            try message.validate()
            #expect(try M.decode(message.encode()) == message)
        }
    }

    @Test func requestsSurviveEncodingAndDecoding() throws {
        try expectRoundTrips { try $0.personalizeRequest() }
    }

    @Test func statesSurviveEncodingAndDecodingOnTheirOwn() throws {
        try expectRoundTrips { try $0.resumeState(steps: nil, iterations: nil) }
    }

    @Test func eventsSurviveEncodingAndDecoding() throws {
        try expectRoundTrips { $0.personalizeEvent() }
    }

    @Test func cancellationsSurviveEncodingAndDecoding() throws {
        try expectRoundTrips { $0.cancelRequest() }
        try expectRoundTrips { $0.cancelReply() }
    }

    @Test func descriptionsSurviveEncodingAndDecoding() throws {
        try expectRoundTrips { $0.describeRequest() }
        try expectRoundTrips { $0.describeReply() }
    }

    @Test func zeroSeedAndZeroIterationsAreNotMistakenForUnset() throws {
        var request = PersonalizeRequest(references: [Reference(picture: .key("a"))], prompt: "a")
        #expect(try PersonalizeRequest.decode(request.encode()).seed == nil)
        #expect(try PersonalizeRequest.decode(request.encode()).iterations == nil)
        request.seed = 0
        request.iterations = 0
        #expect(try PersonalizeRequest.decode(request.encode()).seed == 0)
        #expect(try PersonalizeRequest.decode(request.encode()).iterations == 0)
    }

    @Test func fieldsOfANewerContractAreIgnored() throws {
        var generator = SeededGenerator(seed: 7)
        let request = try generator.personalizeRequest()
        // Field 1000 as a varint, field 1001 as bytes, field 1002 as a fixed 32-bit number.
        let unknown: [UInt8] = [0xC0, 0x3E, 0x07, 0xCA, 0x3E, 0x03, 1, 2, 3, 0xD5, 0x3E, 1, 2, 3, 4]
        #expect(try PersonalizeRequest.decode(request.encode() + unknown) == request)
        #expect(try PersonalizeRequest.decode(unknown + request.encode()) == request)
    }

    @Test func detailsAndCodesOfANewerContractAreReadAsUnknown() throws {
        // PersonalizeEvent { job_id: "a", final: true, result { status { code: 99, details { field 15: 1 } }, attempt: 1 } }
        let bytes: [UInt8] = [0x0A, 1, 0x61, 0x18, 1, 0x32, 10, 0x0A, 6, 0x08, 99, 0x1A, 2, 0x78, 1, 0x70, 1]
        guard case .result(let result) = try PersonalizeEvent.decode(bytes).body else {
            Issue.record("not a result")
            return
        }
        #expect(result.status.code == .unknown)
        #expect(result.status.details == [.unknown])
    }

    @Test func nulCharactersInARepliedTextBecomeReplacementCharacters() throws {
        let result = PersonalizeResult(status: Status(.internal, "a\0b"), workerID: "w", attempt: 1)
        let event = PersonalizeEvent(jobID: "j", sequence: 0, body: .result(result))
        guard case .result(let read) = try PersonalizeEvent.decode(event.encode()).body else {
            Issue.record("not a result")
            return
        }
        #expect(read.status.message == "a\u{FFFD}b")
    }

    @Test func numbersThatFitNoFieldAreEncodedWithoutTrappingAndRefusedByTheReader() throws {
        var request = PersonalizeRequest(references: [Reference(picture: .key("a"))], prompt: "a")
        request.steps = Int.max
        let error = #expect(throws: MessageError.self) { try PersonalizeRequest.decode(request.encode()) }
        #expect(error?.field == "steps")
        request.steps = nil
        request.iterations = -1
        #expect(throws: MessageError.self) { try request.validate() }
        #expect(!request.encode().isEmpty)
    }
}
