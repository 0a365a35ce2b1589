import Messages

/// The contract's messages as an AsyncAPI document has them: properties, headers, and where their fields are written.
enum AsyncAPIMessages {
    static var all: DocumentNode {
        .members([
            request(PersonalizeRequest.typeName, .personalize, "One picture to make.", headers: jobHeaders),
            request(CancelRequest.typeName, .cancel, "Stops a job.", headers: []),
            request(DescribeRequest.typeName, .describe, "Asks workers who they are.", headers: []),
            reply(PersonalizeEvent.typeName, "A job was accepted, has got on, or has ended.", headers: traceHeaders),
            reply(CancelReply.typeName, "What a worker makes of a cancellation.", headers: traceHeaders),
            reply(DescribeReply.typeName, "A worker, its models and its jobs.", headers: traceHeaders),
            message(
                "DeadLetter", of: PersonalizeRequest.typeName, type: Wire.Method.personalize.rawValue,
                "A request that was given up, as its client sent it.", headers: jobHeaders + deathHeaders,
                properties: ["message_id": .text(jobID)]),
        ])
    }

    private static let jobID = "The job's id, chosen by the client: 1 to 128 visible ASCII characters."

    private static func request(
        _ typeName: String, _ method: Wire.Method, _ summary: String, headers: [DocumentNode.Member]
    ) -> DocumentNode.Member {
        message(
            shortName(typeName), of: typeName, type: method.rawValue, summary, headers: headers,
            properties: [
                "message_id": .text(method == .personalize ? jobID : "Anything; echoed."),
                "correlation_id": "Echoed with every reply; at most 255 bytes.",
                "reply_to": "The queue for the replies. Needed.",
            ])
    }

    private static func reply(
        _ typeName: String, _ summary: String, headers: [DocumentNode.Member]
    ) -> DocumentNode.Member {
        message(
            shortName(typeName), of: typeName, type: typeName, summary, headers: headers,
            properties: ["message_id": "The request's.", "correlation_id": "The request's."])
    }

    private static func message(
        _ name: String, of typeName: String, type: String, _ summary: String, headers: [DocumentNode.Member],
        properties: DocumentNode
    ) -> DocumentNode.Member {
        guard case .members(let properties) = properties else { return .init(name, [:]) }
        let common: [DocumentNode.Member] = [
            .init("content_type", .text(Wire.contentType)), .init("type", .text(type)), .init("delivery_mode", 2),
            .init("timestamp", "When it was made, seconds since 1970."),
        ]
        let node: DocumentNode = [
            "name": .text(typeName),
            "summary": .text(summary),
            "contentType": .text(Wire.contentType),
            "correlationId": [
                "location": "$message.header#/correlation_id", "description": "The property correlation_id.",
            ],
            "headers": ["type": "object", "properties": .members(headers)],
            "payload": [
                "schemaFormat": "application/vnd.google.protobuf;version=3",
                "schema": ["$ref": "../Protos/rectifid/v1/personalization.proto"],
                "x-protobuf-message": .text(typeName),
            ],
            "bindings": ["amqp": ["messageType": .text(type), "bindingVersion": "0.3.0"]],
            "x-amqp-properties": .members(common + properties),
        ]
        return .init(name, node)
    }

    private static func shortName(_ typeName: String) -> String {
        String(typeName[(typeName.lastIndex(of: ".").map(typeName.index(after:)) ?? typeName.startIndex)...])
    }
}

/// Headers.
extension AsyncAPIMessages {
    private static let traceHeaders = [
        text(Wire.Header.traceParent, "W3C Trace Context; passed on to every reply."),
        text(Wire.Header.traceState, "W3C Trace Context; passed on to every reply."),
    ]

    private static let jobHeaders =
        [
            number(Wire.Header.deadline, "When the job stops being of use, milliseconds since 1970 UTC. Optional."),
            number(
                Wire.Header.due, "When it could first be taken from its lane, milliseconds since 1970 UTC. Optional."),
            text(Wire.Header.client, "Whom a fair share of the workers is for. Optional."),
            number(Wire.Header.attempt, "Attempts made before this one; written by workers."),
        ] + traceHeaders

    private static let deathHeaders = [
        text(Wire.Header.deathCode, "Name of the google.rpc.Code, or the broker's own reason."),
        text(Wire.Header.deathReason, "What went wrong, for a person."),
        number(Wire.Header.deathFirstTime, "First failure, milliseconds since 1970 UTC."),
        number(Wire.Header.deathLastTime, "Last failure, milliseconds since 1970 UTC."),
        text(Wire.Header.deathWorker, "The worker of the last attempt."),
    ]

    private static func text(_ name: String, _ description: String) -> DocumentNode.Member {
        .init(name, ["type": "string", "description": .text(description)])
    }

    private static func number(_ name: String, _ description: String) -> DocumentNode.Member {
        .init(name, ["type": "integer", "format": "int64", "description": .text(description)])
    }
}
