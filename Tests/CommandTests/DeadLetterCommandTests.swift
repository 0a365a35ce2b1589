import Broker
import BrokerTestSupport
import Foundation
import Messages
import Raster
import RectifIDClient
import Testing

@Suite(.timeLimit(.minutes(5)), .enabled(if: RealBroker.isAvailable))
struct DeadLetterCommandTests {
    @Test func listCountsKindsOfFailureAndListsLetters() async throws {
        try await LetterBox.open { box in
            #expect(try await box.letters("list").output == "no dead letters\n")
            for index in 1...3 { try await box.write("job-\(index)", reason: "pass \(index) of 40 failed") }
            try await box.write("job-4", code: "NOT_FOUND", reason: "no model 'x'")
            let text = try await box.letters("list")
            #expect(text.code == 0 && text.output.contains("pass N of N failed"))
            #expect(text.output.contains("4 letters in 2 groups"))
            let groups = try await box.letters("list", "--json").objects
            #expect(
                groups.map { $0["count"] as? Int } == [3, 1] && groups.map { $0["code"] as? String }[1] == "NOT_FOUND")
            #expect(groups[0]["firstTime"] as? String == "2023-11-14T22:13:20Z")
            let group = try #require(groups[0]["group"] as? String)
            let letters = try await box.letters("list", "--each", "--json", "--group", group).objects
            #expect(letters.map { $0["job"] as? String } == ["job-1", "job-2", "job-3"])
            #expect(letters[0]["worker"] as? String == "worker-7" && letters[0]["model"] as? String == "default")
            #expect(try await box.letters("list", "--all", "--text", "no model").output.contains("job-4"))
            #expect(try await box.letters("list", "--since", "1h").output == "no dead letters that match\n")
            #expect(try await box.letters("list", "--since", "yesterday").code == 64)
            #expect(try await box.depth(box.pool.deadLetterQueue) == 4)
        }
    }

    @Test func whatStrangersWroteNeverReachesTheTerminal() async throws {
        try await LetterBox.open { box in
            let evil = "\u{1b}[2J\u{9b}31m\u{202e}\u{7f}\u{7}\r\nnext line\u{2028}x"
            try await box.write(
                "job\(evil)", code: "CODE\u{1b}c", reason: evil, body: try LetterBox.request(prompt: evil).encode())
            let id = try #require(try await box.letters("list", "--each", "--json").objects[0]["letter"] as? String)
            let commands = [
                ["list"], ["list", "--json"], ["list", "--each"], ["list", "--each", "--json"], ["show", id],
                ["show", id, "--json"], ["export", "-"], ["edit", id, "--set", "prompt=x", "--dry-run"],
                ["retry", id, "--dry-run"], ["discard", id], ["restore", id], ["audit"], ["audit", "--json"],
            ]
            for command in commands {
                // Moving a letter gives it another id.
                let present = try await box.letters("list", "--each", "--json").objects.first?["letter"] as? String
                let run = try await Program.run(
                    ["dead-letters"] + command.map { $0 == id && command[0] != "restore" ? present ?? $0 : $0 }
                        + (command[0] == "restore" ? ["--text", "x", "--confirm", "1"] : []),
                    environment: ["RECTIFID_AMQP_URL": RealBroker.url ?? "", "RECTIFID_POOL": box.pool.name])
                let isHarmless = (run.output + run.errors).unicodeScalars.allSatisfy {
                    $0 == "\n"
                        || $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) && $0 != "\u{202e}"
                            && $0 != "\u{2028}"
                }
                #expect(isHarmless, "\(command)")
            }
        }
    }

    @Test func retryIsSureOfWhatItsOperatorWants() async throws {
        try await LetterBox.open { box in
            for id in ["a", "b", "c"] { try await box.write(id) }
            try await box.write("d", code: "NOT_FOUND")
            #expect(try await box.letters("retry").code == 64)
            #expect(try await box.letters("retry", "a", "--all").code == 64)
            let unsure = try await box.letters("retry", "--code", "INTERNAL")
            #expect(unsure.code == 64 && unsure.errors.contains("--confirm 3"))
            let wrong = try await box.letters("retry", "--code", "INTERNAL", "--confirm", "2")
            #expect(wrong.code == 65 && wrong.errors.contains("3 letters match, not 2"))
            let dry = try await box.letters("retry", "--all", "--dry-run")
            #expect(dry.code == 0 && dry.output.hasSuffix("4 letters: would retry\n"))
            let missing = try await box.letters("retry", "a", "nobody")
            #expect(missing.code == 66 && missing.errors.contains("nobody"))
            #expect(try await box.depth(box.pool.deadLetterQueue) == 4)
            let one = try await box.letters("retry", "b", "--reply-to", "elsewhere")
            #expect(one.code == 0 && one.output.contains("sent b ") && one.output.hasSuffix("1 letter: sent\n"))
            let rest = try await box.letters(
                "retry", "--code", "internal", "--confirm", "2", "--rate", "50/s", "--json")
            #expect(rest.code == 0)
            #expect(try rest.objects.last?["count"] as? Int == 2)
            #expect(try await box.letters("list", "--each").output.contains("  d  "))
            #expect(try await box.depth(box.pool.workQueue(.batch)) == 3)
            let first = try #require(try await box.broker.get(queue: box.pool.workQueue(.batch)))
            #expect(first.properties.messageID == "b" && first.properties.replyTo == "elsewhere")
        }
    }

    @Test func editShowsTheDifferenceAndSendsWhatAWorkerTakes() async throws {
        try await LetterBox.open { box in
            try await box.write("a")
            let dry = try await box.letters("edit", "a", "--set", "prompt=a statue", "--set", "seed=8", "--dry-run")
            #expect(dry.code == 0)
            #expect(
                dry.output
                    == "- prompt: a portrait\n+ prompt: a statue\n- seed: 7\n+ seed: 8\nnothing was sent\n")
            #expect(try await box.letters("edit", "a", "--set", "colour=red").code == 64)
            let refused = try await box.letters("edit", "a", "--set", "steps=5000")
            #expect(refused.code == 65 && refused.errors.contains("steps is 5000; allowed: 1 to 100"))
            #expect(try await box.letters("edit", "z", "--set", "seed=1").code == 66)
            #expect(try await box.depth(box.pool.deadLetterQueue) == 1)
            #expect(try await box.letters("edit", "a", "--set", "seed=8").code == 0)
            let job = try #require(try await box.broker.get(queue: box.pool.workQueue(.batch)))
            #expect(try PersonalizeRequest.decode(job.body).seed == 8)
            #expect(try await box.depth(box.pool.deadLetterQueue) == 0)
        }
    }

    @Test func whatIsDiscardedCanBeRestoredAndIsInTheAudit() async throws {
        try await LetterBox.open { box in
            for id in ["a", "b"] { try await box.write(id) }
            #expect(try await box.letters("discard", "--all").code == 64)
            #expect(try await box.letters("discard", "--all", "--confirm", "2").code == 0)
            #expect(try await box.letters("list").output == "no dead letters\n")
            let bin = try await box.letters("list", "--bin", "--each", "--json").objects
            #expect(bin.map { $0["discardedBy"] as? String } == ["ann@desk", "ann@desk"])
            #expect(try await box.letters("restore", "b").code == 0)
            #expect(try await box.letters("list", "--each", "--json").objects.map { $0["job"] as? String } == ["b"])
            let audit = try await box.letters("audit", "--json").objects
            #expect(audit.map { $0["action"] as? String } == ["discard", "discard", "restore", "restore"])
            #expect(audit.map { $0["phase"] as? String } == ["begun", "ended", "begun", "ended"])
            #expect(audit[0]["jobs"] as? [String] == ["a", "b"] && audit[0]["operator"] as? String == "ann@desk")
            let lines = try await box.letters("audit").output
            #expect(lines.contains("ann@desk  discard  begun  2 letters, all") && lines.contains("2 of 2 done"))
        }
    }

    @Test func exportWritesOneObjectPerLetter() async throws {
        try await LetterBox.open { box in
            let folder = try TemporaryFolder()
            try await box.write("a")
            try await box.write("b", body: [255, 1])
            let run = try await box.letters("export", folder.path("letters.ndjson"))
            #expect(run.code == 0 && run.errors.contains("2 letters"))
            let mode = try FileManager.default.attributesOfItem(atPath: folder.path("letters.ndjson"))[
                .posixPermissions]
            #expect(mode as? Int == 0o600)
            #expect(try folder.names == ["letters.ndjson"])
            let piped = try await box.letters("export", "-", "--pictures")
            let objects = try piped.objects
            #expect(objects.map { $0["job"] as? String } == ["a", "b"])
            let request = try #require(objects[0]["request"] as? [String: Any])
            #expect(request["prompt"] as? String == "a portrait" && request["seed"] as? Int == 7)
            let image = try #require((request["references"] as? [[String: Any]])?[0]["image"] as? String)
            #expect(Data(base64Encoded: image)?.starts(with: [0x89, 0x50]) == true)
            #expect(objects[1]["body"] as? String == "/wE=" && objects[1]["requestError"] != nil)
            let plain = try folder.text("letters.ndjson")
            #expect(!plain.contains("image") && !plain.contains("/wE="))
            #expect(try await box.letters("export", "/no/such/folder/x").code == 73)
        }
    }

    @Test func showWritesPicturesThumbnailsAndWhatCannotBeRead() async throws {
        try await LetterBox.open { box in
            let folder = try TemporaryFolder()
            try await box.write("a", reason: "no face")
            try await box.write("b", body: [255, 1])
            let run = try await box.letters("show", "a", "--output", folder.path("a"))
            #expect(run.code == 0)
            for part in [
                "no face", "worker-7", "00-0af7651916cd43dd8448eb211c80319c", "2023-11-14T22:13:20Z", "a portrait",
            ] {
                #expect(run.output.contains(part))
            }
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.path("a")).sorted()
            #expect(names.count == 2 && names[0].hasSuffix("-0.png") && names[1].hasSuffix("-0.thumbnail.jpg"))
            let file = try Data(contentsOf: URL(fileURLWithPath: folder.path("a/" + names[1])))
            let thumbnail = try Picture.decode([UInt8](file))
            #expect(max(thumbnail.width, thumbnail.height) == 256)
            let broken = try await box.letters("show", "b", "--output", folder.path("b"))
            #expect(broken.code == 0 && broken.output.contains("request unreadable:"))
            let raw = try #require(try FileManager.default.contentsOfDirectory(atPath: folder.path("b")).first)
            #expect(try Data(contentsOf: URL(fileURLWithPath: folder.path("b/" + raw))) == Data([255, 1]))
            #expect(try await box.letters("show", "z").code == 66)
        }
    }

    @Test func withoutABrokerOrItsQueuesTheCommandSaysSo() async throws {
        let run = try await Program.run(
            ["dead-letters", "list", "--amqp-url", "amqp://127.0.0.1:1/", "--connect-timeout", "1"])
        #expect(run.code == 69 && run.errors.contains("Error: "))
        let empty = try await Program.run(
            ["dead-letters", "list", "--pool", "no.such.pool"],
            environment: ["RECTIFID_AMQP_URL": try #require(RealBroker.url)])
        #expect(empty.code == 69 && empty.errors.contains("rectifid topology --declare"))
    }
}
