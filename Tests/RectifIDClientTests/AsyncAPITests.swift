import Foundation
import RectifIDClient
import Testing

/// The AsyncAPI document against the specification's rules and the pool's own topology.
@Suite(.timeLimit(.minutes(1)))
struct AsyncAPITests {
    /// The repository.
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    @Test func theCommittedDocumentIsWhatTheCodeSays() throws {
        let file = Self.root.appendingPathComponent("deploy/asyncapi.yaml")
        let written = try String(contentsOf: file, encoding: .utf8)
        let document = try AsyncAPI(.standard).document().yaml
        #expect(
            written == document, "run: rectifid topology --asyncapi > deploy/asyncapi.yaml")
    }

    @Test(arguments: ["rectifid", "other-2"])
    func everyExchangeQueueAndBindingOfThePoolIsThereAndNoOther(name: String) throws {
        let pool = try Pool(name, retryDelays: [.milliseconds(500), .seconds(60)], maximumLength: 7)
        let document = try AsyncAPI(pool).document()
        var (exchanges, queues): ([String: String], [String: DocumentNode]) = ([:], [:])
        for (_, channel) in members(document["channels"]) {
            guard let binding = channel["bindings"]?["amqp"] else { continue }
            // The binding's own rule: either an exchange or a queue.
            switch binding["is"] {
            case "routingKey":
                #expect(binding["queue"] == nil)
                let exchange = try #require(binding["exchange"])
                exchanges[try text(exchange["name"])] = try text(exchange["type"])
            case "queue":
                #expect(binding["exchange"] == nil)
                let name = try text(binding["queue"]?["name"])
                #expect(queues.updateValue(channel, forKey: name) == nil)
                #expect(channel["address"] == .text(name))
            default: Issue.record("a channel that is neither: \(binding)")
            }
        }
        let topology = pool.topology
        #expect(exchanges == Dictionary(uniqueKeysWithValues: topology.exchanges.map { ($0.name, $0.kind.rawValue) }))
        #expect(Set(queues.keys) == Set(topology.queues.map(\.name)))
        for queue in topology.queues {
            let channel = try #require(queues[queue.name])
            let arguments = members(channel["x-queue-arguments"])
            #expect(Set(arguments.map(\.name)) == Set(try queue.arguments().keys))
            let bindings = topology.bindings.filter { $0.queue == queue.name }
            guard case .list(let documented)? = channel["x-queue-bindings"] else { throw Missing(name: queue.name) }
            #expect(
                documented
                    == bindings.map { ["exchange": .text($0.exchange), "routingKey": .text($0.routingKey)] })
        }
    }

    @Test func whatTheSpecificationRequiresIsThere() throws {
        let document = try AsyncAPI(.standard).document()
        #expect(document["asyncapi"] == "3.0.0")
        for field in ["title", "version"] { _ = try text(document["info"]?[field]) }
        for (_, server) in members(document["servers"]) {
            for field in ["host", "protocol"] { _ = try text(server[field]) }
        }
        let names = Set(members(document["operations"]).map(\.name))
        #expect(
            names.isSuperset(of: [
                "personalize-interactive", "personalize-batch", "cancel", "describe", "retry-5s", "giveUp",
            ]))
        for (name, operation) in members(document["operations"]) {
            #expect(operation["action"] == "receive" || operation["action"] == "send", "\(name)")
            // Messages of an operation are those of its channel, by reference.
            let channel = try text(operation["channel"]?["$ref"])
            guard case .list(let messages)? = operation["messages"] else { throw Missing(name: name) }
            for message in messages { #expect(try text(message["$ref"]).hasPrefix(channel + "/messages/")) }
        }
        for (name, message) in members(document["components"]?["messages"]) {
            #expect(message["contentType"] == "application/x-protobuf", "\(name)")
            #expect(members(message["payload"]).map(\.name).starts(with: ["schemaFormat", "schema"]))
        }
    }

    @Test func everyReferenceLeadsSomewhere() throws {
        let document = try AsyncAPI(.standard).document()
        let references = Self.references(in: document)
        #expect(references.count > 30)
        for reference in references {
            guard reference.hasPrefix("#/") else {
                let file = Self.root.appendingPathComponent("deploy").appendingPathComponent(reference)
                #expect(FileManager.default.fileExists(atPath: file.path), "\(reference)")
                continue
            }
            var node: DocumentNode? = document
            for part in reference.dropFirst(2).split(separator: "/") { node = node?[String(part)] }
            // A message in a channel is itself a reference.
            #expect(node != nil, "\(reference)")
        }
    }

    @Test func everyMessageOfTheDocumentIsInTheContract() throws {
        let contract = try String(
            contentsOf: Self.root.appendingPathComponent("Protos/rectifid/v1/personalization.proto"), encoding: .utf8)
        let document = try AsyncAPI(.standard).document()
        for (_, message) in members(document["components"]?["messages"]) {
            let name = try #require(try text(message["payload"]?["x-protobuf-message"]).split(separator: ".").last)
            #expect(contract.contains("\nmessage \(name) {"))
            // A method's name or the message's own.
            let type = try text(message["bindings"]?["amqp"]?["messageType"])
            #expect(Wire.Method(rawValue: type) != nil || type == "rectifid.v1.\(name)")
        }
    }

    @Test(
        arguments: [
            (["a": 1, "on": true, "x-y": .null], "a: 1\n\"on\": true\nx-y: null\n"),
            (["text": "a \"b\"\\\n# no comment"], "text: \"a \\\"b\\\"\\\\\\n# no comment\"\n"),
            (["list": [1, ["b": []]], "empty": [:]], "list:\n  - 1\n  -\n    b: []\nempty: {}\n"),
            (["$ref": "\u{1}é"], "\"$ref\": \"\\u0001é\"\n"),
        ] as [(DocumentNode, String)])
    func documentsAreYAML(node: DocumentNode, yaml: String) {
        #expect(node.yaml == yaml)
    }

    private func members(_ node: DocumentNode?) -> [(name: String, value: DocumentNode)] {
        guard case .members(let members)? = node else { return [] }
        return members.map { ($0.name, $0.value) }
    }

    private func text(_ node: DocumentNode?) throws -> String {
        guard case .text(let text)? = node else { throw Missing(name: "text") }
        return text
    }

    private static func references(in node: DocumentNode) -> [String] {
        switch node {
        case .members(let members):
            members.flatMap { member -> [String] in
                if member.name == "$ref", case .text(let reference) = member.value { return [reference] }
                return references(in: member.value)
            }
        case .list(let values): values.flatMap(references)
        default: []
        }
    }

    private struct Missing: Error { let name: String }
}
