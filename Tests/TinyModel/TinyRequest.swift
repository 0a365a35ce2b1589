public import Broker
public import RectifIDClient
public import Messages
import Raster

/// Jobs for the tiny model.
public enum TinyRequest {
    private static let reference: [UInt8] = {
        (try? Picture(width: 16, height: 16, fill: (red: 200, green: 120, blue: 40)).encode(.png)) ?? []
    }()

    public static func make(iterations: Int = 4, seed: UInt64 = 7) -> PersonalizeRequest {
        var request = PersonalizeRequest(references: [Reference(picture: .image(reference))], prompt: "a portrait")
        request.iterations = iterations
        request.seed = seed
        request.output = .png
        return request
    }

    public static func properties(jobID: String, replyTo: String?) -> MessageProperties {
        MessageProperties(
            contentType: Wire.contentType, type: Wire.Method.personalize.rawValue, messageID: jobID,
            correlationID: "c-" + jobID, replyTo: replyTo)
    }
}

extension Broker {
    /// Publishes a job as a client does.
    public func publishTiny(
        _ jobID: String, replyTo: String?, pool: Pool, lane: Lane = .interactive, iterations: Int = 4, seed: UInt64 = 7,
        headers: [String: HeaderValue] = [:]
    ) async throws(BrokerError) {
        var properties = TinyRequest.properties(jobID: jobID, replyTo: replyTo)
        properties.headers = headers
        try await publish(
            OutgoingMessage(properties, body: TinyRequest.make(iterations: iterations, seed: seed).encode()),
            exchange: pool.workExchange, routingKey: lane.rawValue)
    }
}
