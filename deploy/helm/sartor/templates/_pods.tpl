{{/* A StatefulSet of one part: a dict of `top`, the part's name, its values, its arguments and its probes. */}}
{{- define "sartor.pods" -}}
{{- $top := .top }}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ include "sartor.name" $top }}-{{ .part }}
  labels:
    {{- include "sartor.labels" $top | nindent 4 }}
    app.kubernetes.io/component: {{ .part }}
spec:
  replicas: {{ .values.replicas }}
  serviceName: {{ include "sartor.name" $top }}
  podManagementPolicy: Parallel
  selector:
    matchLabels:
      {{- include "sartor.selector" $top | nindent 6 }}
      app.kubernetes.io/component: {{ .part }}
  template:
    metadata:
      labels:
        {{- include "sartor.labels" $top | nindent 8 }}
        app.kubernetes.io/component: {{ .part }}
      {{- with $top.Values.podAnnotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "sartor.name" $top }}
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 30
      {{- with $top.Values.imagePullSecrets }}
      imagePullSecrets: {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        runAsGroup: 10001
        fsGroup: 10001
        seccompProfile: {type: RuntimeDefault}
      containers:
        - name: {{ .part }}
          image: "{{ $top.Values.image.repository }}:{{ $top.Values.image.tag | default $top.Chart.AppVersion }}"
          imagePullPolicy: {{ $top.Values.image.pullPolicy }}
          args: {{- toYaml .arguments | nindent 12 }}
          env:
            {{- if $top.Values.shared.enabled }}
            - name: SARTOR_WORKERS
              value: "0"
            - name: SARTOR_STORAGE
              value: {{ $top.Values.shared.storage | quote }}
            {{- with $top.Values.shared.s3Endpoint }}
            - name: SARTOR_S3_ENDPOINT
              value: {{ . | quote }}
            {{- end }}
            {{- end }}
            {{- range $name, $value := $top.Values.environment }}
            - name: {{ $name }}
              value: {{ $value | quote }}
            {{- end }}
          {{- if $top.Values.shared.enabled }}
          envFrom:
            - secretRef: {name: {{ $top.Values.shared.secret }}}
          {{- end }}
          {{- with .probes }}
          {{- toYaml . | nindent 10 }}
          {{- end }}
          {{- with .values.resources }}
          resources: {{- toYaml . | nindent 12 }}
          {{- end }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
          volumeMounts:
            - {name: data, mountPath: /data}
            - {name: tmp, mountPath: /tmp}
      volumes:
        - name: tmp
          emptyDir: {}
      {{- with $top.Values.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $top.Values.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $top.Values.affinity }}
      affinity: {{- toYaml . | nindent 8 }}
      {{- end }}
  volumeClaimTemplates:
    - metadata:
        name: data
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $top.Values.volume.storageClass }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests:
            storage: {{ $top.Values.volume.size }}
{{- end }}
