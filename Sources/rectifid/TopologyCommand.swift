import ArgumentParser
import Broker
import Foundation
import RectifIDClient

/// `rectifid topology`: the exchanges and queues of a pool.
struct TopologyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topology", abstract: "Prints, declares or verifies the exchanges and queues of a pool.",
        discussion: "Without --declare and --verify no broker is needed. Exit code 1 where --verify finds differences.")

    @OptionGroup var broker: BrokerOptions

    @Flag(help: "Declare what is missing on the broker.")
    var declare = false

    @Flag(help: "Compare with the broker; what exists is not changed.")
    var verify = false

    @Flag(help: "Print JSON.")
    var json = false

    @Flag(help: "Print an AsyncAPI 3 document, as deploy/asyncapi.yaml is.")
    var asyncapi = false

    func validate() throws {
        guard !asyncapi || !(declare || verify || json) else {
            throw ValidationError("--asyncapi goes with none of --declare, --verify and --json")
        }
    }

    func run() async throws {
        if asyncapi {
            print(try AsyncAPI(try broker.namedPool()).document().yaml, terminator: "")
            return
        }
        guard declare || verify else { return try printTopology(try broker.namedPool().topology) }
        try await broker.withBroker("rectifid topology") { connection, pool in
            if declare {
                try await connection.declare(pool.topology)
                StandardError.write("declared \(pool.topology.queues.count) queues\n")
            }
            guard verify else { return }
            let findings = try await pool.findings(on: connection)
            for finding in findings { print(finding) }
            guard findings.isEmpty else { throw ExitCode(1) }
            StandardError.write("all is as it should be\n")
        }
    }

    private func printTopology(_ topology: Topology) throws {
        if json {
            FileHandle.standardOutput.write(try JSONOutput.document(TopologyDocument(topology)))
            return
        }
        for exchange in topology.exchanges { print("exchange  \(exchange.name)  \(exchange.kind.rawValue)") }
        for queue in topology.queues {
            let arguments = try queue.arguments().sorted { $0.key < $1.key }
            print("queue     \(queue.name)")
            for (name, value) in arguments { print("            \(name) = \(PlainValue(value))") }
        }
        for binding in topology.bindings {
            let key = binding.routingKey.isEmpty ? "" : "  key \(binding.routingKey)"
            print("binding   \(binding.exchange) -> \(binding.queue)\(key)")
        }
    }
}

/// A topology as JSON.
private struct TopologyDocument: Encodable {
    struct Exchange: Encodable { let name, type: String }
    struct Queue: Encodable {
        let name: String
        let arguments: [String: PlainValue]
    }
    struct Binding: Encodable { let exchange, queue, routingKey: String }

    let exchanges: [Exchange]
    let queues: [Queue]
    let bindings: [Binding]

    init(_ topology: Topology) throws {
        exchanges = topology.exchanges.map { Exchange(name: $0.name, type: $0.kind.rawValue) }
        queues = try topology.queues.map {
            Queue(name: $0.name, arguments: try $0.arguments().mapValues(PlainValue.init))
        }
        bindings = topology.bindings.map {
            Binding(exchange: $0.exchange, queue: $0.queue, routingKey: $0.routingKey)
        }
    }
}

/// A header or argument for people and for JSON.
struct PlainValue: Encodable, CustomStringConvertible {
    private let value: HeaderValue

    init(_ value: HeaderValue) { self.value = value }

    var description: String {
        switch value {
        case .string(let text): text
        case .int64(let number), .timestamp(let number): "\(number)"
        case .bool(let truth): "\(truth)"
        case .double(let number): "\(number)"
        case .bytes(let bytes): "\(bytes.count) bytes"
        case .null: "null"
        case .array(let values): "[" + values.map { "\(PlainValue($0))" }.joined(separator: ", ") + "]"
        case .table(let table):
            "{" + table.sorted { $0.key < $1.key }.map { "\($0.key): \(PlainValue($0.value))" }.joined(separator: ", ")
                + "}"
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch value {
        case .string(let text): try container.encode(text)
        case .int64(let number), .timestamp(let number): try container.encode(number)
        case .bool(let truth): try container.encode(truth)
        case .double(let number): try container.encode(number)
        case .bytes(let bytes): try container.encode(Data(bytes))
        case .null: try container.encodeNil()
        case .array(let values): try container.encode(values.map { PlainValue($0) })
        case .table(let table): try container.encode(table.mapValues { PlainValue($0) })
        }
    }
}
