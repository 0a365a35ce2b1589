package import Broker
import Messages

/// A pool as an AsyncAPI 3.0 document, for readers and generators of code in any language.
///
/// It is written from the workers' side: what they receive, clients send. Every exchange that somebody publishes to is a
/// channel (`is: routingKey`), and so is every queue (`is: queue`), with the arguments it is declared with. Source:
/// AsyncAPI Specification 3.0.0; AMQP bindings 0.3.0. What those have no words for stands under `x-`: queue arguments,
/// bindings of queues, AMQP's basic properties.
package struct AsyncAPI {
    private let pool: Pool
    private let topology: Topology

    package init(_ pool: Pool) {
        self.pool = pool
        topology = pool.topology
    }

    /// The document.
    /// - Throws: `BrokerError.invalid` for a queue argument that RabbitMQ cannot express.
    package func document() throws(BrokerError) -> DocumentNode {
        [
            "asyncapi": "3.0.0",
            "info": [
                "title": "rectifid", "version": "1.0.0",
                "description": """
                Personalized pictures from one to four reference pictures and a prompt. Carried over AMQP 0-9-1 the way \
                gRPC is carried over HTTP/2: `type` names the method, `message_id` the job, `reply_to` the queue for \
                its events. The messages and their rules are in the .proto file.
                """,
                "license": ["name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"],
            ],
            "defaultContentType": .text(Wire.contentType),
            "servers": servers,
            "channels": .members(try channels()),
            "operations": .members(operations),
            "components": ["messages": AsyncAPIMessages.all],
        ]
    }

    private var servers: DocumentNode {
        [
            "broker": [
                "host": "localhost:5672", "protocol": "amqp", "protocolVersion": "0.9.1",
                "description": "RabbitMQ 3.10 or newer; RECTIFID_AMQP_URL.",
            ],
            "encrypted": [
                "host": "localhost:5671", "protocol": "amqps", "protocolVersion": "0.9.1",
                "description": "The same with TLS 1.2 or newer; an amqps:// URL.",
            ],
        ]
    }
}

/// Channels.
extension AsyncAPI {
    /// What a channel is for, and the messages on it by their names in the components.
    private struct Role {
        var description: String
        var messages: [String]
    }

    private static let replies = "reply"

    private func channels() throws(BrokerError) -> [DocumentNode.Member] {
        var channels: [DocumentNode.Member] = []
        for exchange in topology.exchanges { channels += members(of: exchange) }
        for queue in topology.queues { channels.append(try member(of: queue)) }
        let replyQueue: DocumentNode = [
            "address": .null,
            "description": """
            The client's own queue, named by reply_to; answers come through the default exchange. Events of a job come \
            in order of their sequence numbers; one with the number and the bytes of an earlier one is a copy.
            """,
            "messages": Self.references(to: ["PersonalizeEvent", "CancelReply", "DescribeReply"]),
        ]
        channels.append(.init(Self.replies, replyQueue))
        return channels
    }

    /// One channel per routing key of a direct exchange; one for a fanout exchange, which ignores them.
    private func members(of exchange: Exchange) -> [DocumentNode.Member] {
        let role = role(ofExchange: exchange.name)
        let keys =
            exchange.kind == .fanout
            ? [""] : topology.bindings.filter { $0.exchange == exchange.name }.map(\.routingKey)
        return keys.map { key in
            let channel: DocumentNode = [
                "address": .text(key),
                "description": .text(role.description),
                "messages": Self.references(to: role.messages),
                "bindings": [
                    "amqp": [
                        "is": "routingKey",
                        "exchange": [
                            "name": .text(exchange.name), "type": .text(exchange.kind.rawValue),
                            "durable": .truth(exchange.isDurable), "autoDelete": .truth(exchange.isAutoDelete),
                        ],
                        "bindingVersion": "0.3.0",
                    ]
                ],
            ]
            return .init(self.channel(toExchange: exchange.name, key: key), channel)
        }
    }

    private func member(of queue: Queue) throws(BrokerError) -> DocumentNode.Member {
        let arguments = try queue.arguments().sorted { $0.key < $1.key }
        let bindings = topology.bindings.filter { $0.queue == queue.name }
        // A queue is described by its exchange, and by itself where it has none.
        let role = role(ofExchange: bindings.first?.exchange ?? queue.name)
        let channel: DocumentNode = [
            "address": .text(queue.name),
            "description": .text(
                bindings.isEmpty
                    ? role.description : "What waits behind " + bindings.map(\.exchange).joined(separator: ", ") + "."),
            "messages": Self.references(to: role.messages),
            "bindings": [
                "amqp": [
                    "is": "queue",
                    "queue": [
                        "name": .text(queue.name), "durable": .truth(queue.isDurable),
                        "exclusive": .truth(queue.isExclusive), "autoDelete": .truth(queue.isAutoDelete),
                    ],
                    "bindingVersion": "0.3.0",
                ]
            ],
            "x-queue-arguments": .members(arguments.map { .init($0.key, DocumentNode($0.value)) }),
            "x-queue-bindings": .list(
                bindings.map { ["exchange": .text($0.exchange), "routingKey": .text($0.routingKey)] }),
        ]
        return .init("queue-" + id(queue.name), channel)
    }

    private func role(ofExchange name: String) -> Role {
        let request = ["PersonalizeRequest"]
        if name == pool.workExchange {
            return Role(
                description:
                    "Jobs. The routing key is the lane, interactive where somebody waits, else batch; and for a client that says who it is (header rectifid-client) a dot and its shard of the lane, FNV-1a of the name modulo the number of shards.",
                messages: request)
        }
        if let delay = pool.retryDelays.first(where: { pool.retryExchange($0) == name }) {
            return Role(
                description:
                    "Jobs whose last attempt failed, for \(Pool.label(delay)); then they go back to their lane.",
                messages: request)
        }
        if name == pool.deadLetterExchange {
            return Role(description: "Jobs given up, with why in their headers.", messages: ["DeadLetter"])
        }
        if name == pool.deadLetterBin {
            return Role(description: "Dead letters that an operator discarded.", messages: ["DeadLetter"])
        }
        if name == pool.controlExchange {
            return Role(
                description: "Questions to every worker, each of which binds a queue of its own.",
                messages: ["CancelRequest", "DescribeRequest"])
        }
        if name == pool.cancelExchange {
            return Role(
                description: """
                    Cancellations: to every worker, each of which binds a queue of its own, and to a stream that keeps them \
                    for workers that start later.
                    """, messages: ["CancelRequest"])
        }
        if name == pool.auditQueue {
            return Role(
                description: "What operators did to dead letters, as JSON; for rectifid's own commands.", messages: [])
        }
        return Role(description: "For rectifid's own use.", messages: [])
    }

    /// The channel of an exchange, by a name that generators of code can use.
    private func channel(toExchange name: String, key: String) -> String {
        id(name + (key.isEmpty ? "" : "." + key))
    }

    /// A name without the pool's and without dots.
    private func id(_ name: String) -> String {
        String(name.dropFirst(pool.name.count + 1)).replacing(".", with: "-")
    }

    private static func references(to messages: [String]) -> DocumentNode {
        .members(messages.map { .init($0, ["$ref": .text("#/components/messages/\($0)")]) })
    }
}

/// Operations.
extension AsyncAPI {
    private var operations: [DocumentNode.Member] {
        var operations = topology.bindings.filter { $0.exchange == pool.workExchange }.map { binding in
            receive(
                "personalize-" + binding.routingKey.replacing(".", with: "-"),
                "Makes one picture; a client publishes mandatory and waits for the confirm.",
                from: channel(toExchange: pool.workExchange, key: binding.routingKey), "PersonalizeRequest",
                reply: "PersonalizeEvent")
        }
        let control = channel(toExchange: pool.controlExchange, key: "")
        operations.append(
            receive(
                "cancel", "Stops a job, running or queued.",
                from: channel(toExchange: pool.cancelExchange, key: ""), "CancelRequest", reply: "CancelReply"))
        operations.append(
            receive(
                "describe", "Asks the workers who they are and what they do.", from: control, "DescribeRequest",
                reply: "DescribeReply"))
        operations += pool.retryDelays.map { delay in
            send(
                "retry-" + Pool.label(delay), "Sends a job to wait for its next attempt.",
                to: channel(toExchange: pool.retryExchange(delay), key: ""), "PersonalizeRequest")
        }
        operations.append(
            send(
                "giveUp", "Sends a job to the dead letters.",
                to: channel(toExchange: pool.deadLetterExchange, key: ""), "DeadLetter"))
        return operations
    }

    private func receive(
        _ name: String, _ summary: String, from channel: String, _ message: String, reply: String
    ) -> DocumentNode.Member {
        let operation: DocumentNode = [
            "action": "receive",
            "channel": ["$ref": .text("#/channels/\(channel)")],
            "summary": .text(summary),
            "messages": [["$ref": .text("#/channels/\(channel)/messages/\(message)")]],
            "reply": [
                "address": ["location": "$message.header#/reply_to", "description": "The property reply_to."],
                "channel": ["$ref": .text("#/channels/\(Self.replies)")],
                "messages": [["$ref": .text("#/channels/\(Self.replies)/messages/\(reply)")]],
            ],
            "bindings": ["amqp": ["ack": true, "bindingVersion": "0.3.0"]],
        ]
        return .init(name, operation)
    }

    private func send(_ name: String, _ summary: String, to channel: String, _ message: String) -> DocumentNode.Member {
        let operation: DocumentNode = [
            "action": "send",
            "channel": ["$ref": .text("#/channels/\(channel)")],
            "summary": .text(summary),
            "messages": [["$ref": .text("#/channels/\(channel)/messages/\(message)")]],
            "bindings": [
                "amqp": ["deliveryMode": 2, "mandatory": true, "timestamp": true, "bindingVersion": "0.3.0"]
            ],
        ]
        return .init(name, operation)
    }
}

extension DocumentNode {
    /// A header or an argument.
    init(_ value: HeaderValue) {
        self =
            switch value {
            case .string(let text): .text(text)
            case .int64(let number), .timestamp(let number): .number(number)
            case .bool(let truth): .truth(truth)
            case .double(let number): .text("\(number)")
            case .bytes(let bytes): .text("\(bytes.count) bytes")
            case .null: .null
            case .array(let values): .list(values.map { DocumentNode($0) })
            case .table(let table):
                .members(table.sorted { $0.key < $1.key }.map { Member($0.key, DocumentNode($0.value)) })
            }
    }
}
