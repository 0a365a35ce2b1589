import CBoundedProtobuf
import Messages
import Testing

@Suite struct HostileBytesTests {
    @Test func textThatIsNotUTF8IsRefused() throws {
        // PersonalizeRequest { prompt: <C3 28> }
        let bytes = try RangeTests.validRequest().encode() + [0x12, 2, 0xC3, 0x28]
        let error = #expect(throws: MessageError.self) { try PersonalizeRequest.decode(bytes) }
        #expect(error?.field == "prompt")
        #expect(error?.problem == "is not UTF-8")
    }

    @Test func textWithANulIsRefusedAndNotCutShort() throws {
        let bytes = try RangeTests.validRequest().encode() + [0x12, 3, 0x61, 0x00, 0x62]
        let error = #expect(throws: MessageError.self) { try PersonalizeRequest.decode(bytes) }
        #expect(error?.field == "prompt")
        #expect(error?.problem == "contains a NUL character")
    }

    @Test func enumValuesOutsideTheContractAreRefusedByNumber() throws {
        // flow: 99, flow: -1
        for (bytes, problem) in [
            ([0x68, 99], "is 99"),
            ([0x68, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], "is -1"),
        ] as [([UInt8], String)] {
            let all = try RangeTests.validRequest().encode() + bytes
            let error = #expect(throws: MessageError.self) { try PersonalizeRequest.decode(all) }
            #expect(error?.field == "flow")
            #expect(error?.problem == problem)
        }
    }

    @Test func aMessageOverTheLimitIsRefusedUnparsed() {
        let bytes = [UInt8](repeating: 0, count: 101)
        let error = #expect(throws: MessageError.self) {
            try PersonalizeRequest.decode(bytes, limits: MessageLimits(maximumBytes: 100))
        }
        #expect(error?.kind == .tooLarge)
    }

    @Test func fifteenMegabytesOfTinyUnknownFieldsAreRefused() {
        let bytes = [UInt8](unsafeUninitializedCapacity: 15_000_000) { buffer, count in
            for index in buffer.indices { buffer.initializeElement(at: index, to: index % 2 == 0 ? 0x78 : 1) }
            count = buffer.count
        }
        // Field 15 of a DescribeRequest is unknown.
        let error = #expect(throws: MessageError.self) { try DescribeRequest.decode(bytes) }
        #expect(error?.kind == .tooMuchMemory)
    }

    @Test func millionsOfEmptyReferencesAreRefused() {
        let bytes = [UInt8](unsafeUninitializedCapacity: 15_000_000) { buffer, count in
            for index in buffer.indices { buffer.initializeElement(at: index, to: index % 2 == 0 ? 0x0A : 0) }
            count = buffer.count
        }
        let error = #expect(throws: MessageError.self) { try PersonalizeRequest.decode(bytes) }
        #expect(error?.kind == .tooMuchMemory)
    }

    @Test func anHonestMessageOfTheLargestSizeIsAccepted() throws {
        let picture = [UInt8](repeating: 0xFF, count: 4 << 20)
        var request = PersonalizeRequest(
            references: Array(repeating: Reference(picture: .image(picture)), count: 4), prompt: "a portrait")
        let excess = request.encode().count - MessageLimits.standard.maximumBytes
        request.references[0].picture = .image(Array(picture.dropLast(excess)))
        let bytes = request.encode()
        #expect(bytes.count == MessageLimits.standard.maximumBytes)
        #expect(try PersonalizeRequest.decode(bytes) == request)
        #expect(throws: MessageError.self) { try PersonalizeRequest.decode(bytes + [0x40, 4]) }
    }

    @Test func everyTruncationOfAMessageGivesAValueOrATypedError() throws {
        let bytes = try RangeTests.validRequest().encode()
        for count in 0..<bytes.count {
            _ = try? PersonalizeRequest.decode(Array(bytes[..<count]))
        }
        let error = #expect(throws: MessageError.self) { try PersonalizeRequest.decode(Array(bytes.dropLast())) }
        #expect(error?.kind == .malformed)
    }

    @Test func aHundredThousandMutatedMessagesGiveValuesOrTypedErrors() throws {
        var generator = SeededGenerator(seed: 99)
        var seeds: [[UInt8]] = []
        for _ in 0..<40 {
            seeds.append(try generator.personalizeRequest().encode())
            seeds.append(generator.personalizeEvent().encode())
            seeds.append(generator.describeReply().encode())
            seeds.append(generator.cancelReply().encode())
        }
        var values = 0
        for round in 0..<100_000 {
            let bytes = generator.mutate(generator.pick(seeds), with: seeds)
            switch round % 4 {
            case 0: values += try check(PersonalizeRequest.self, bytes)
            case 1: values += try check(PersonalizeEvent.self, bytes)
            case 2: values += try check(DescribeReply.self, bytes)
            default: values += try check(CancelReply.self, bytes)
            }
        }
        // Both outcomes must have been met, or the mutations test nothing.
        #expect(values > 1000 && values < 99_000)
    }

    /// A value that was accepted must be valid and survive another trip; an error must say something.
    private func check<M: WireMessage>(_ type: M.Type, _ bytes: [UInt8]) throws -> Int {
        do throws(MessageError) {
            let value = try M.decode(bytes)
            try value.validate()
            let again = try M.decode(value.encode())
            if again != value { Issue.record("\(M.typeName) changed on its way: \(bytes)") }
            return 1
        } catch {
            if error.problem.isEmpty || error.allowed.isEmpty { Issue.record("\(error)") }
            return 0
        }
    }
}

extension SeededGenerator {
    /// A few random edits: bits, bytes, cuts, repeats, and parts of other messages.
    mutating func mutate(_ original: [UInt8], with others: [[UInt8]]) -> [UInt8] {
        var bytes = original
        for _ in 0..<int(1...4) where !bytes.isEmpty {
            let at = int(0...bytes.count - 1)
            switch int(0...6) {
            case 0: bytes[at] ^= 1 << UInt8(int(0...7))
            case 1: bytes[at] = UInt8(truncatingIfNeeded: next())
            case 2: bytes.removeLast(int(0...bytes.count))
            case 3: bytes.insert(contentsOf: self.bytes(1...6), at: at)
            case 4: bytes.removeSubrange(at..<min(bytes.count, at + int(1...8)))
            case 5: bytes.insert(contentsOf: [0xFF, 0xFF, 0xFF, 0xFF, 0x0F], at: at)
            default:
                let other = pick(others)
                bytes.insert(contentsOf: other[int(0...other.count - 1)...].prefix(int(1...200)), at: at)
            }
        }
        return bytes
    }
}

@Suite struct BoundedAllocatorTests {
    @Test func requestsPastTheLimitAreRefusedAndFreedMemoryIsUsable() throws {
        let allocator = try #require(bounded_allocator_create(1000))
        defer { bounded_allocator_destroy(allocator) }
        let protobuf = try #require(bounded_allocator_protobuf(allocator))
        let allocate = try #require(protobuf.pointee.alloc)
        let release = try #require(protobuf.pointee.free)
        let context = protobuf.pointee.allocator_data

        let first = allocate(context, 600)
        #expect(first != nil)
        #expect(bounded_allocator_used(allocator) == 632)
        #expect(!bounded_allocator_refused(allocator))
        #expect(allocate(context, 600) == nil)
        #expect(allocate(context, Int.max) == nil)
        #expect(allocate(context, -1) == nil)
        #expect(bounded_allocator_refused(allocator))
        release(context, first)
        release(context, nil)
        #expect(bounded_allocator_used(allocator) == 0)
        #expect(allocate(context, 900) != nil)
        #expect(bounded_allocator_peak(allocator) == 932)
    }
}
