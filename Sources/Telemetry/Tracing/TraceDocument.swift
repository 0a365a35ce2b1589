/// Spans as a line of JSON: one ExportTraceServiceRequest in OTLP's JSON encoding, which collectors read from files.
///
/// https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding and
/// https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/: ids are hexadecimal and not base64, enumerations are
/// numbers, 64-bit integers are strings.
enum TraceDocument {
    /// Longest text value in bytes; a message can bring longer ones.
    static let textLimit = 1024

    static func line(_ spans: [Span], resource: [SpanAttribute], scope: String, version: String) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.key("resourceSpans")
            json.array { json in
                json.object { json in
                    json.key("resource")
                    json.object { write(resource, to: &$0) }
                    json.key("scopeSpans")
                    json.array { json in
                        json.object { json in
                            json.key("scope")
                            json.object { json in
                                json.member("name", scope)
                                json.member("version", version)
                            }
                            json.key("spans")
                            json.array { json in
                                for span in spans { write(span, to: &json) }
                            }
                        }
                    }
                }
            }
        }
        return json.bytes
    }

    private static func write(_ span: Span, to json: inout JSONWriter) {
        json.object { json in
            json.member("traceId", span.context.traceIDText)
            json.member("spanId", span.context.spanIDText)
            if !span.context.state.isEmpty { json.member("traceState", span.context.state) }
            if span.parentID != 0 {
                json.member("parentSpanId", SpanContext.hexadecimal(span.parentID, digits: 16))
            }
            json.member("flags", span.context.isSampled ? 1 : 0)
            json.member("name", cut(span.name))
            json.member("kind", span.kind.rawValue)
            json.member("startTimeUnixNano", String(span.start))
            json.member("endTimeUnixNano", String(max(span.end, span.start)))
            write(span.attributes, to: &json)
            if !span.events.isEmpty {
                json.key("events")
                json.array { json in
                    for event in span.events { write(event, to: &json) }
                }
            }
            if span.droppedEvents > 0 { json.member("droppedEventsCount", span.droppedEvents) }
            json.key("status")
            json.object { json in
                // Unset where all went well: that it did is for an operator to say (OpenTelemetry API, "Set Status").
                guard let error = span.error else { return }
                json.member("message", cut(error))
                json.member("code", 2)
            }
        }
    }

    private static func write(_ event: SpanEvent, to json: inout JSONWriter) {
        json.object { json in
            json.member("timeUnixNano", String(event.time))
            json.member("name", event.name)
            write(event.attributes, to: &json)
        }
    }

    private static func write(_ attributes: [SpanAttribute], to json: inout JSONWriter) {
        guard !attributes.isEmpty else { return }
        json.key("attributes")
        json.array { json in
            for attribute in attributes {
                json.object { json in
                    json.member("key", attribute.key)
                    json.key("value")
                    json.object { write(attribute.value, to: &$0) }
                }
            }
        }
    }

    private static func write(_ value: SpanAttribute.Value, to json: inout JSONWriter) {
        switch value {
        case .string(let text): json.member("stringValue", cut(text))
        case .int(let number): json.member("intValue", String(number))
        case .double(let number):
            json.key("doubleValue")
            json.value(number)
        case .bool(let flag):
            json.key("boolValue")
            json.value(flag)
        }
    }

    private static func cut(_ text: String) -> String {
        text.utf8.count <= textLimit ? text : String(text.prefix(textLimit / 4)) + "…"
    }
}
