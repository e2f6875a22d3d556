// Every kind of expression over the protocol that apps are known to contain. What this proves is that it compiles;
// running it proves the rules that a compiler cannot see.
// ignore_for_file: unused_local_variable

import 'dart:isolate';

import '../lib/from_rwkv.dart' as from_rwkv;
import '../lib/from_rwkv.dart';
import '../lib/src/root_isolate_token.dart';
import '../lib/to_rwkv.dart' as to_rwkv;
import '../lib/to_rwkv.dart';
import '../lib/types.dart';

int failed = 0;
int passed = 0;

void check(String name, bool holds) {
  holds ? ++passed : ++failed;
  if (!holds) print('FAILED: $name');
}

const id = 0;

List<ToRWKV> allRequests() => [
  LoadRWKVModel(modelPath: 'm', backend: Backend.llamacpp, tokenizerPath: 't', extra: Object()),
  LoadRWKVModel(modelPath: 'm', backend: Backend.fromString('mlx'), tokenizerPath: 't', llamaCppNGpuLayers: 0),
  ReleaseRWKVModel(modelID: id, extra: {'tag': 1}),
  AddTTSModel(
    modelPath: 'm',
    backend: Backend.webRwkv,
    tokenizerPath: 't',
    wav2vec2Path: 'a',
    bicodecTokenizerPath: 'b',
    bicodecDetokenizerPath: 'c',
  ),
  GetLoadedModelIDs(),
  GetLoadedModelPathByID(id),
  GetModels(),
  SetPrompt('<EOD>', modelID: id),
  GetPrompt(modelID: id),
  ChatAsync(
    ['Hi'],
    enableReasoning: true,
    forceReasoning: false,
    addGenerationPrompt: true,
    modelID: id,
    maxLength: null,
    forceLang: 2,
  ),
  ChatAsync(['Hi'], enableReasoning: true, forceReasoning: false, addGenerationPrompt: true, modelID: id, push: true),
  ChatBatchAsync(
    [
      ['Hi'],
      ['Ho'],
    ],
    enableReasoning: false,
    forceReasoning: false,
    addGenerationPrompt: true,
    batchSize: 2,
    modelID: id,
    maxLength: 100,
    forceLang: 0,
  ),
  ChatBatchAsync.withSlotConfigs(
    [
      ChatBatchSlotConfig(messages: ['Hi'], enableReasoning: true, forceReasoning: false, forceLang: 2),
      ChatBatchSlotConfig(messages: ['Hi', 'Hello'], enableReasoning: false, forceReasoning: false, forceLang: null),
    ],
    modelID: id,
    maxLength: null,
    forceLang: null,
  ),
  GenerateAsync('Once', batch: 4, modelID: id, maxLength: 100, stopToken: 0, disableCache: true),
  GenerateAsync('Once', modelID: id),
  SudokuOthelloGenerate('<input>', modelID: -1),
  SudokuOthelloGenerate('<input>', modelID: -1, decodeStream: false, wantRawJSON: false),
  Stop(modelID: id),
  SetMaxLength(2000, modelID: id),
  SetGenerationStopToken(0, modelID: id),
  ClearStates(modelID: id),
  GetSupportedBatchSizes(modelID: id),
  SetSamplerParams(
    temperature: 1,
    topK: 500,
    topP: 0.5,
    presencePenalty: 2.0,
    frequencyPenalty: 0,
    penaltyDecay: 0.99,
    modelID: id,
  ),
  GetSamplerParams(modelID: id),
  SetSamplerAndPenaltyParams(
    temperatures: List.filled(100, 1.0),
    topKs: List.filled(100, 500.0),
    topPs: List.filled(100, 0.5),
    presencePenalties: List.filled(100, 2.0),
    frequencyPenalties: List.filled(100, 0.2),
    penaltyDecays: List.filled(100, 0.99),
    modelID: id,
  ),
  GetSamplerAndPenaltyParams(batchSize: 4, modelID: id),
  GetSamplerAndPenaltyParams(modelID: id),
  SetSeed(1, modelID: id),
  GetSeed(modelID: id),
  SetUserRole('User', modelID: id),
  SetResponseRole(responseRole: 'Assistant', modelID: id),
  SetResponseRole(modelID: id),
  SetBosToken('\x16', modelID: id),
  SetEosToken('\x17', modelID: id),
  SetThinkingToken('<think', modelID: id),
  SetSpaceAfterRoles(false, modelID: id),
  SetTokenBanned([0], modelID: id),
  SetImageUniqueIdentifier('image'),
  CalculateTokensCountRaw('text', modelID: id),
  CalculateTokensCountFromMessages(['Hi'], modelID: id),
  GetResponseBufferTokensCount(modelID: id),
  GetResponseBufferTokensCountBatch(modelID: id),
  GetResponseBufferContent(messages: ['Hi'], modelID: id),
  GetBatchResponseBufferContent(messages: [], modelID: id),
  GetResponseBufferIds(modelID: id),
  GetIsGenerating(modelID: id),
  GetPrefillAndDecodeSpeed(modelID: id),
  DumpLog(),
  DumpStateInfo(modelID: id),
  GetStateCacheInfo(modelID: id),
  SetStateCache(modelID: id, limitBytes: 1, folder: 'f', folderLimitBytes: 2),
  SetMemoryBudget(1 << 30),
  ReleaseMemory(MemoryPressure.moderate),
  GetMemoryInfo(),
  SetModelWeight(3, modelID: id),
  SetStandIn(true),
  LoadInitialStates('s', modelID: id),
  UnloadInitialStates('s', modelID: id),
  SaveRuntimeStateByHistory(messages: ['Hi', 'Hello'], stateSavePath: 's', modelID: id),
  LoadRuntimeStateToMemory(stateLoadPath: 's', modelID: id),
  LoadVisionEncoder('v', modelID: id),
  LoadVisionEncoderAndAdapter('v', 'a', modelID: id),
  ReleaseVisionEncoder(modelID: id),
  SetVisionPrompt('i', modelID: id),
  LoadWhisperEncoder('w', modelID: id),
  ReleaseWhisperEncoder(modelID: id),
  SetAudioPrompt('a', modelID: id),
  LoadSparkTTSModels(wav2vec2Path: 'a', bicodecTokenizerPath: 'b', bicodecDetokenizerPath: 'c'),
  LoadTTSTextNormalizer('f'),
  ReleaseTTSModels(),
  StartTTS(
    ttsText: 'Hi',
    instructionText: '',
    promptWavPath: 'p',
    outputWavPath: 'o',
    promptSpeechText: '',
    modelID: id,
  ),
  StartTTSWithGlobalTokens(ttsText: 'Hi', outputWavPath: 'o', globalTokens: List.filled(32, 0), modelID: id),
  StartTTSWithProperties(
    ttsText: 'Hi',
    outputWavPath: 'o',
    age: TTSPropertyAge.youthAdult,
    gender: TTSPropertyGender.female,
    emotion: TTSPropertyEmotion.noAgreement,
    speed: TTSPropertySpeed.verySlow,
    pitch: TTSPropertyPitch.lowPitch,
    modelID: id,
  ),
  GetTTSStreamingBuffer(modelID: id),
  GetCurrentTTSGlobalTokens(),
  RunEvaluation('source', 'target', modelID: id),
  SubscribeGeneration(modelID: id, slot: 0, after: 0, generationID: null),
];

/// What a client reads of each response. The app has a `default` where this lists the classes that came with us, too.
String read(FromRWKV event) {
  switch (event) {
    case LoadModelSteps res:
      final int? modelID = res.modelID;
      final double? progress = res.progress;
      return '${res.status} ${res.info} $modelID $progress';
    case SamplerAndPenaltyParams res:
      return '${res.temperatures} ${res.topKs} ${res.topPs} ${res.presencePenalties} ${res.frequencyPenalties}'
          ' ${res.penaltyDecays}';
    case SamplerParams res:
      final num temperature = res.temperature;
      return '$temperature ${res.topK} ${res.topP} ${res.presencePenalty} ${res.frequencyPenalty} ${res.penaltyDecay}';
    case EvaluationResults res:
      return '${res.logits.first} ${res.corrects.first} ${res.outputTexts}';
    case IsGenerating res:
      return '${res.isGenerating} ${res.modelID}';
    case StateInfo res:
      return res.stateInfo;
    case from_rwkv.Error res:
      return '${res.message} ${res.to?.requestId} ${res.retVal}';
    case Speed res:
      return '${res.prefillProgress.clamp(0.0, 1.0)} ${res.prefillSpeed} ${res.decodeSpeed}';
    case StreamResponse res:
      return '${res.streamResponse} ${res.streamResponseToken} ${res.streamResponseNewText} ${res.prefillSpeed}'
          ' ${res.decodeSpeed}';
    case SupportedBatchSizes res:
      return '${res.supportedBatchSizes}';
    case RuntimeLog res:
      return res.runtimeLog;
    case ResponseBufferContent res:
      return '${res.responseBufferContent} ${res.eosFound}';
    case ResponseBatchBufferContent res:
      return '${res.responseBufferContent} ${res.eosFound} ${res.batchSize}';
    case TTSStreamingBuffer res:
      final List<double> samples = res.rawFloatList;
      return '${res.ttsStreamingBuffer} ${res.ttsStreamingBufferLength} ${res.generating} $samples';
    case TokensCount res:
      return '${res.tokensCount}';
    case GenerateStart _:
      return 'start';
    case GenerateStop _:
      return 'stop';
    default:
      return 'other';
  }
}

/// Exhaustive without a default: the classes are sealed.
bool isLoading(LoadingStatus status) => switch (status) {
  LoadingStatus.loading || LoadingStatus.loadModelWithExtra || LoadingStatus.setQnnLibraryPath => true,
  LoadingStatus.none || LoadingStatus.loaded || LoadingStatus.failedInLoading => false,
  LoadingStatus.releasing || LoadingStatus.released || LoadingStatus.failedInReleasing => false,
};

List<FromRWKV> allResponses(ToRWKV req) => [
  LoadModelSteps(status: LoadingStatus.loaded, req: req, modelID: 1, info: 'i', progress: 0.5),
  LoadModelSteps(status: LoadingStatus.loading, req: null),
  LoadedModelIDs(loadedModelIDs: [0]),
  LoadedModelPathByID(loadedModelPath: 'm', modelID: 0),
  LoadedModels(models: [LoadedModelInfo(modelID: 0, modelPath: 'm', backend: 'b', isGenerating: false)]),
  from_rwkv.Error('message'),
  from_rwkv.Error('message', req, -1),
  CurrentPrompt(prompt: 'p', req: req),
  GenerateStart(req: req),
  GenerateStop(error: 'e'),
  GenerateStop(),
  SupportedBatchSizes(supportedBatchSizes: [2]),
  ResponseBufferContent(responseBufferContent: 't', eosFound: false),
  ResponseBatchBufferContent(responseBufferContent: ['t'], eosFound: [false], batchSize: 1),
  IsGenerating(isGenerating: true, modelID: 0),
  TokensCount(tokensCount: 1),
  TokensCountBatch(tokensCounts: [1], batchSize: 1),
  StreamResponse(
    streamResponse: '',
    streamResponseToken: 1,
    streamResponseNewText: 'a',
    prefillSpeed: -1.0,
    decodeSpeed: -1.0,
  ),
  SamplerParams(temperature: 1, topK: 1, topP: 0.5, presencePenalty: 0, frequencyPenalty: 0, penaltyDecay: 0.99),
  SamplerAndPenaltyParams(
    temperatures: [1],
    topKs: [1],
    topPs: [1],
    presencePenalties: [0],
    frequencyPenalties: [0],
    penaltyDecays: [0],
  ),
  CurrentSeed(seed: 1, modelID: 0),
  StateInfo(stateInfo: ''),
  StateCacheInfo(modelID: 0, bytes: 0, limitBytes: 0, hits: 0, misses: 0, savedTokens: 0, diskBytes: 0, diskLimitBytes: 0, nodes: []),
  MemoryReleased(stateBytes: 0, caches: 0, unloadedModelIDs: [0], bytesBefore: 1, bytesAfter: 0),
  MemoryInfo(
    budgetBytes: 0,
    usedBytes: 1,
    availableBytes: 0,
    models: [ModelMemory(modelID: 0, asleep: false, mappedBytes: 1, privateBytes: 0, cacheBytes: 0, pinnedBytes: 0)],
  ),
  TTSGenerationStart(start: true),
  TTSStreamingBuffer(ttsStreamingBuffer: [], ttsStreamingBufferLength: 0, generating: false, rawFloatList: []),
  Speed(prefillProgress: 1, prefillSpeed: 0, decodeSpeed: 0),
  RuntimeLog(runtimeLog: ''),
  EvaluationResults(logits: [-1.5], corrects: [true], outputTexts: ['a']),
  GenerationSnapshot(modelID: 0, slot: 0, after: 0, sequence: 0, text: '', tokens: []),
  GenerationDelta(modelID: 0, generationID: 1, slot: 0, sequence: 1, text: 'a', tokens: [1]),
  GenerationProgress(modelID: 0, generationID: 1, slot: -1, progress: 1, prefillSpeed: 0, decodeSpeed: 0),
  GenerationEnd(
    modelID: 0,
    generationID: 1,
    slot: 0,
    sequence: 1,
    reason: GenerationEndReason.eos,
    promptTokens: 1,
    generatedTokens: 1,
    prefillSpeed: 0,
    decodeSpeed: 0,
  ),
];

void main() {
  final port = ReceivePort();
  final options = StartOptions(sendPort: port.sendPort, rootIsolateToken: RootIsolateToken.instance!);
  check('push is off unless it is asked for', !options.push && !options.notifyGenerationEnd);
  port.close();

  final requests = allRequests();
  for (var i = 1; i < requests.length; ++i) {
    check('request ids rise', requests[i].requestId > requests[i - 1].requestId);
  }
  final burst = {for (var i = 0; i < 100000; ++i) DumpLog().requestId};
  check('request ids are unique', burst.length == 100000);

  const batch = true;
  final ToRWKV poll =
      batch
          ? to_rwkv.GetBatchResponseBufferContent(messages: [], modelID: id)
          : to_rwkv.GetResponseBufferContent(messages: [], modelID: id);
  ToRWKV? current;
  check('a request is not null', poll != current);
  current = poll;
  check('a request is itself', poll == current && poll.hashCode == current.hashCode);
  check('two requests are not equal', DumpLog() != DumpLog());

  final slots = ChatBatchAsync.withSlotConfigs([
    ChatBatchSlotConfig(messages: ['Hi'], enableReasoning: true, forceReasoning: false, forceLang: 2),
    ChatBatchSlotConfig(messages: ['Hi', 'Hello'], enableReasoning: false, forceReasoning: false, forceLang: null),
  ], modelID: id);
  check('slot configurations fill messages', slots.messages.length == 2 && slots.messages[1].last == 'Hello');
  check('slot configurations fill the size', slots.batchSize == 2);

  final texts = <String>['a'];
  final content = ResponseBatchBufferContent(responseBufferContent: texts, eosFound: [false], batchSize: 1);
  content.responseBufferContent.add('b');
  check('a response holds the list it was given', identical(content.responseBufferContent, texts) && texts.length == 2);

  check('an Error carries its request', from_rwkv.Error('e', poll, 3).req == poll);
  for (final response in allResponses(poll)) {
    read(response);
  }

  for (final backend in Backend.values) {
    check('${backend.name} survives its argument string', Backend.fromString(backend.asArgument) == backend);
  }
  const spellings = {
    'coreml': Backend.coreml,
    'llamacpp': Backend.llamacpp,
    'mlx': Backend.mlx,
    'mnn': Backend.mnn,
    'mtk_np7': Backend.mtkNeuropilot7,
    'ncnn': Backend.ncnn,
    'qnn': Backend.qnn,
    'webRwkv': Backend.webRwkv,
    'webrwkv': Backend.webRwkv,
  };
  spellings.forEach((text, backend) => check('$text is understood', Backend.fromString(text) == backend));
  String? refusal;
  try {
    Backend.fromString('Abacus');
  } on Exception catch (e) {
    refusal = '$e';
  }
  check('an unknown backend is named', refusal == 'Exception: Unknown backend: Abacus');
  check('a chip maker', SocBrand.fromString('Qualcomm Snapdragon 8') == SocBrand.snapdragon);
  check('another chip maker', SocBrand.fromString('MediaTek') == SocBrand.mediatek);
  check('no chip maker', SocBrand.fromString('') == SocBrand.unknown);
  check('by name', SocBrand.values.byName('snapdragon') == SocBrand.snapdragon);
  check('loading', isLoading(LoadingStatus.setQnnLibraryPath) && !isLoading(LoadingStatus.loaded));
  check('nine steps', LoadingStatus.values.length == 9 && LoadingStatus.values.last.name == 'loadModelWithExtra');

  print('$passed passed, $failed failed');
}
