import Broker
import Jobs
import Messages
import RectifIDClient
import Telemetry

// OpenTelemetry's conventions for messaging spans, with RabbitMQ's own.
// https://opentelemetry.io/docs/specs/semconv/messaging/rabbitmq/

extension TakenRequest {
    /// What is known of a request when it is taken.
    var attributes: [SpanAttribute] {
        var attributes = [
            SpanAttribute("messaging.system", "rabbitmq"),
            SpanAttribute("messaging.operation.type", "process"),
            SpanAttribute("messaging.operation.name", "process"),
            SpanAttribute("messaging.destination.name", Self.destination([exchange, routingKey, queue])),
            SpanAttribute("messaging.rabbitmq.destination.routing_key", routingKey),
            SpanAttribute("messaging.message.body.size", size),
            SpanAttribute("messaging.message.id", jobID),
            SpanAttribute("rectifid.job.id", jobID),
            SpanAttribute("rectifid.lane", lane.rawValue),
            SpanAttribute("rectifid.redeliveries", redeliveries),
        ]
        if let id = properties.correlationID {
            attributes.append(SpanAttribute("messaging.message.conversation_id", id))
        }
        return attributes
    }

    /// Names the parts that a destination has, each once.
    fileprivate static func destination(_ parts: [String]) -> String {
        var named: [String] = []
        for part in parts where !part.isEmpty && named.last != part { named.append(part) }
        return named.isEmpty ? "amq.default" : named.joined(separator: ":")
    }
}

extension Publication {
    var attributes: [SpanAttribute] {
        var attributes = [
            SpanAttribute("messaging.system", "rabbitmq"),
            SpanAttribute("messaging.operation.type", "send"),
            SpanAttribute("messaging.operation.name", "send"),
            SpanAttribute("messaging.destination.name", TakenRequest.destination([exchange, routingKey])),
        ]
        if !routingKey.isEmpty {
            attributes.append(SpanAttribute("messaging.rabbitmq.destination.routing_key", routingKey))
        }
        if kind == .result || kind == .event {
            attributes.append(SpanAttribute("messaging.destination.temporary", true))
        }
        return attributes
    }
}

extension Settlement {
    var attributes: [SpanAttribute] {
        var attributes = [
            SpanAttribute("rectifid.outcome", outcome.rawValue),
            SpanAttribute("rectifid.code", code.name),
            SpanAttribute("rectifid.attempt", attempt),
            SpanAttribute("rectifid.dead_lettered", isDeadLettered),
        ]
        if let similarity {
            attributes.append(SpanAttribute("rectifid.similarity.before", Double(similarity.before)))
            attributes.append(SpanAttribute("rectifid.similarity.after", Double(similarity.after)))
        }
        return attributes
    }
}
