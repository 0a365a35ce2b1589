import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite struct DiffusersFolderTests {
    @Test(arguments: [
        ("sd15", DiffusersFolder.Pipeline.stableDiffusion, "diff_eps"), ("sd21", .stableDiffusion, "velocity"),
        ("sdxl", .stableDiffusionXL, "ddim_eps"),
    ])
    func aFolderSaysWhatItIs(name: String, pipeline: DiffusersFolder.Pipeline, prediction: String) throws {
        let folder = try DiffusersFolder(Golden.path("parity/models/\(name)"))
        #expect(folder.pipeline == pipeline)
        #expect(folder.zerosForEmptyPrompt == (pipeline == .stableDiffusionXL))
        #expect(folder.defaults == ModelDefaults())
        let scheduler = try folder.configuration(SchedulerConfiguration.self, of: .scheduler)
        #expect(scheduler.predictionType == prediction)
        #expect(scheduler.timeWindows == 4)
        #expect(try folder.weights(of: .unet).contains("conv_in.weight"))
        #expect(try folder.weights(of: .decoder).contains("post_quant_conv.weight"))
    }

    @Test func aFolderThatIsNoModelSaysWhy() throws {
        let path = Golden.path("parity/models/dinov2")
        #expect(!DiffusersFolder.isFolder(path))
        let error = #expect(throws: CheckpointError.self) { try DiffusersFolder(path) }
        #expect(error?.kind == .unreadable)
        #expect(error?.description.contains("model_index.json") == true)
    }

    @Test(arguments: [
        ("{\"_class_name\":\"FluxPipeline\"}", CheckpointError.Kind.unsupported),
        ("{\"_class_name\":\"StableDiffusionPipeline\"}", .missing), ("{}", .malformed), ("[", .malformed),
        (String(repeating: "[", count: 200_000), .malformed),
    ])
    func anIndexThatDoesNotFitIsRefused(index: String, kind: CheckpointError.Kind) throws {
        let folder = try SafetensorsTests.Folder()
        _ = try folder.write(Array(index.utf8), "model_index.json")
        let error = #expect(throws: CheckpointError.self) { try DiffusersFolder(folder.path) }
        #expect(error?.kind == kind)
    }

    private func defaults(_ text: String) throws -> ModelDefaults {
        try JSONDecoder().decode(ModelDefaults.self, from: Data(text.utf8))
    }

    @Test func defaultsOfAModelAreReadAndChecked() throws {
        let all = try defaults(
            """
            {"name": "demo", "width": 64, "height": 96, "steps": 4, "iterations": 20, "rate": 1.5, "gain": [1, 0.5],
             "cfg": 3, "detector_size": 128, "face_detector": "face/d.onnx", "face_recognizer": "face/r.onnx"}
            """)
        #expect(all.name == "demo" && all.width == 64 && all.height == 96 && all.steps == 4)
        #expect(all.iterations == 20 && all.rate == 1.5 && all.gain == .perStep([1, 0.5]) && all.cfgScale == 3)
        #expect(all.detectorSize == 128 && all.faceDetector == "face/d.onnx" && all.faceRecognizer == "face/r.onnx")
        #expect(try defaults("{\"gain\":\"derived\"}").gain == .derived)
        #expect(try defaults("{\"gain\":\"published\"}").gain == .published)
        #expect(try defaults("{\"gain\":0.9}").gain == .constant(0.9))
        for bad in [
            "{\"gain\":\"other\"}", "{\"steps\":0}", "{\"width\":-64}", "{\"width\":\"64\"}", "{\"steps\":1e30}",
        ] {
            #expect(throws: DecodingError.self, "\(bad)") { try defaults(bad) }
        }
    }
}
