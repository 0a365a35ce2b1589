import Foundation
import Synchronization
import Tensors
import TestSupport
import Testing

@testable import Checkpoints

/// The file of prepared weights: what it gives back, and what it does not believe.
@Suite struct PreparedWeightsTests {
    private let folder, model: SafetensorsTests.Folder

    init() throws {
        folder = try SafetensorsTests.Folder()
        model = try SafetensorsTests.Folder()
        try change(to: 1)
    }

    /// Replaces the model's weights.
    private func change(to number: UInt8) throws {
        _ = try model.write([number, 2, 3], "weights.txt")
    }

    private func shelf(_ precision: Precision = .bfloat16) throws -> PreparedWeights {
        try PreparedWeights(in: folder.path, model: model.path, precision)
    }

    /// Tensors of several shapes and both formats, as a network would ask for them.
    private static let shapes: [(name: String, shape: Shape, precision: Precision)] = [
        ("a", [64, 33], .float32), ("b", [3000], .bfloat16), ("c", [7, 1, 293], .float32), ("d", [64, 64], .bfloat16),
        ("small", [3], .float32), ("odd", [4097], .bfloat16),
    ]

    /// Takes all of them, and counts those that are made.
    private func take(_ shelf: PreparedWeights) throws -> (tensors: [Tensor], made: Int) {
        var made = 0, tensors: [Tensor] = []
        for (name, shape, precision) in Self.shapes {
            tensors.append(
                try shelf.tensor(name, shape, precision) { () throws(TensorError) in
                    made += 1
                    let numbers = (0..<shape.count).map { Float($0 % 251) / 8 - Float(name.utf8.count) }
                    return try Tensor(numbers, shape: shape).converted(to: precision)
                })
        }
        return (tensors, made)
    }

    /// Writes the file and gives its content.
    @discardableResult private func write() throws -> [UInt8] {
        let shelf = try shelf()
        _ = try take(shelf)
        try shelf.write()
        return [UInt8](try Data(contentsOf: URL(fileURLWithPath: shelf.path)))
    }

    private func replace(_ bytes: [UInt8], mode: Int = 0o600) throws {
        let path = try shelf().path
        try? FileManager.default.removeItem(atPath: path)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    private func bytes(_ tensors: [Tensor]) -> [[UInt8]] { tensors.map { $0.withBytes { Array($0) } } }

    @Test func whatIsWrittenComesBackBitForBit() throws {
        let first = try shelf()
        let made = try take(first)
        #expect(made.made == Self.shapes.count && !first.isComplete && first.problems.isEmpty)
        try first.write()
        let second = try shelf()
        let kept = try take(second)
        // One too small for a page, one that would leave the next unaligned.
        #expect(kept.made == 2 && second.isComplete && second.problems.isEmpty)
        #expect(bytes(kept.tensors) == bytes(made.tensors))
        #expect(kept.tensors.map(\.shape) == Self.shapes.map(\.shape))
        let attributes = try FileManager.default.attributesOfItem(atPath: first.path)
        #expect(attributes[.posixPermissions] as? Int == 0o400)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 1)
    }

    @Test func tensorsOfTheFileAreItsOwnMemory() throws {
        try write()
        let shelf = try shelf()
        let kept = try take(shelf).tensors[0]
        let address = kept.withBytes { UInt(bitPattern: $0.baseAddress) }
        func map() throws -> Substring? {
            // Line after line: the system gives a page at a time, which Foundation takes for all.
            let file = try #require(fopen("/proc/self/maps", "r"))
            defer { fclose(file) }
            var lines: [Substring] = []
            var line = [CChar](repeating: 0, count: 8192)
            while fgets(&line, Int32(line.count), file) != nil {
                lines.append(line.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }.dropLast())
            }
            return lines.first { line in
                let range = line.prefix { $0 != " " }.split(separator: "-").compactMap { UInt($0, radix: 16) }
                return range.count == 2 && range[0] <= address && address < range[1]
            }
        }
        // The mapping goes with the last tensor of the file.
        let map = try #require(try withExtendedLifetime(kept, map))
        #expect(map.contains(" r--s ") && map.hasSuffix((shelf.path as NSString).lastPathComponent), "\(map)")
    }

    @Test func aDamagedNumberIsNoticedAndMadeAnew() throws {
        var content = try write()
        content[content.count - 1] ^= 1
        try replace(content)
        let shelf = try shelf()
        #expect(try take(shelf).made == 3)
        #expect(shelf.problems.count == 1 && shelf.problems[0].contains("damaged"), "\(shelf.problems)")
        try shelf.write()
        #expect(try take(self.shelf()).made == 2)
    }

    @Test func aDamagedFileNeverTrapsAndNeverGivesOtherNumbers() throws {
        let content = try write()
        let right = bytes(try take(shelf()).tensors)
        var random = SeededNumbers(seed: 5)
        for _ in 0..<300 {
            var changed = content
            switch random.next() % 3 {
            case 0: changed.removeLast(Int(random.next() % UInt64(content.count - 1)) + 1)
            case 1: changed[Int(random.next() % 600)] = UInt8(truncatingIfNeeded: random.next())
            default: changed[Int(random.next() % UInt64(content.count))] ^= UInt8(1 << (random.next() % 8))
            }
            guard !changed.isEmpty else { continue }
            try replace(changed)
            #expect(bytes(try take(shelf()).tensors) == right)
        }
    }

    @Test func aFileOfOtherWeightsIsIgnoredAndReplaced() throws {
        try write()
        try change(to: 9)
        let other = try shelf()
        #expect(try take(other).made == Self.shapes.count)
        #expect(other.problems.count == 1 && other.problems[0].contains("other weights"))
        try other.write()
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 1)
        try change(to: 1)
        #expect(try take(shelf()).made == Self.shapes.count)
    }

    /// Files that have not changed for long are not read again: what the file says of them is believed.
    @Test func theFingerprintComesFromTheFileWhereNothingChanged() throws {
        let later = time(nil) + 60
        func shelf() throws -> PreparedWeights {
            try PreparedWeights(in: folder.path, model: model.path, .bfloat16, now: later)
        }
        let first = try shelf()
        _ = try take(first)
        try first.write()
        #expect(first.fingerprint == (try Fingerprint(ofFilesIn: model.path)))
        #expect(try shelf().fingerprint == first.fingerprint && take(shelf()).made == 2)
        // Another digit in it, and it says so.
        var content = [UInt8](try Data(contentsOf: URL(fileURLWithPath: first.path)))
        let entry = Array("\"rectifid-model-fingerprint\":\"".utf8)
        let place = try #require(content.indices.first { content[$0...].starts(with: entry) }) + entry.count
        content[place] = content[place] == UInt8(ascii: "1") ? UInt8(ascii: "2") : UInt8(ascii: "1")
        try replace(content)
        let forged = try shelf()
        #expect(forged.fingerprint != first.fingerprint && forged.problems.count == 1)
        // Files that changed are read, whatever the file says.
        try change(to: 7)
        #expect(try shelf().fingerprint == (try Fingerprint(ofFilesIn: model.path)))
    }

    @Test func aFolderThatChangedHasAnotherStampAndAFreshOneNone() throws {
        let later = time(nil) + 60
        let stamp = try #require(FolderStamp(model.path, now: later))
        #expect(FolderStamp(model.path, now: later) == stamp)
        try change(to: 1)
        #expect(FolderStamp(model.path, now: later) != stamp)
        #expect(FolderStamp(model.path, now: time(nil)) == nil)
    }

    @Test func precisionsDoNotReplaceEachOther() throws {
        try write()
        let wide = try shelf(.float32)
        _ = try take(wide)
        try wide.write()
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 2)
        #expect(try take(shelf()).made == 2 && take(shelf(.float32)).made == 2)
    }

    @Test(arguments: [0o620, 0o602]) func aFileThatOthersMayWriteToIsIgnored(mode: Int) throws {
        try replace(try write(), mode: mode)
        let shelf = try shelf()
        #expect(try take(shelf).made == Self.shapes.count)
        #expect(shelf.problems.first?.contains("others may write") == true, "\(shelf.problems)")
    }

    @Test func aLinkAFolderAndAPipeAreIgnored() throws {
        try write()
        let path = try shelf().path, manager = FileManager.default
        try manager.moveItem(atPath: path, toPath: folder.path + "/elsewhere")
        try manager.createSymbolicLink(atPath: path, withDestinationPath: folder.path + "/elsewhere")
        #expect(try take(shelf()).made == Self.shapes.count)
        try manager.removeItem(atPath: path)
        try manager.createDirectory(atPath: path, withIntermediateDirectories: false)
        let blocked = try shelf()
        #expect(try take(blocked).made == Self.shapes.count)
        #expect(throws: CheckpointError.self) { try blocked.write() }
        try manager.removeItem(atPath: path)
        #expect(mkfifo(path, 0o600) == 0)
        #expect(try take(shelf()).made == Self.shapes.count)
        // The failed one left nothing.
        #expect(try manager.contentsOfDirectory(atPath: folder.path).count == 2)
    }

    @Test func writersAtOnceLeaveOneWholeFile() async throws {
        let right = bytes(try take(shelf()).tensors)
        try await withThrowingTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<5 {
                        let shelf = try shelf()
                        #expect(bytes(try take(shelf).tensors) == right && shelf.problems.isEmpty)
                        try shelf.write()
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try take(shelf()).made == 2)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 1)
    }

    @Test func aFileThatIsReplacedStaysWhatItWasForItsReaders() throws {
        try write()
        let kept = try take(shelf())
        let before = bytes(kept.tensors)
        try change(to: 9)
        let other = try shelf()
        for (name, shape, precision) in Self.shapes {
            _ = try other.tensor(name, shape, precision) { () throws(TensorError) in
                try Tensor(repeating: 9, shape: shape).converted(to: precision)
            }
        }
        try other.write()
        #expect(bytes(kept.tensors) == before)
    }

    @Test func whatAKilledWriterLeftIsRemovedAndWhatAnotherWritesIsNot() throws {
        let path = try shelf().path, name = (path as NSString).lastPathComponent
        let abandoned = folder.path + "/.\(name).1.partial", held = folder.path + "/.\(name).2.partial"
        for file in [abandoned, held] {
            try Data([1]).write(to: URL(fileURLWithPath: file))
            let old = Date(timeIntervalSinceNow: -3600)
            try FileManager.default.setAttributes([.modificationDate: old], ofItemAtPath: file)
        }
        let descriptor = open(held, O_RDONLY)
        defer { close(descriptor) }
        #expect(flock(descriptor, LOCK_EX) == 0)
        try write()
        #expect(!FileManager.default.fileExists(atPath: abandoned) && FileManager.default.fileExists(atPath: held))
    }
}
